"""Health checks, logs, metrics and traces."""
