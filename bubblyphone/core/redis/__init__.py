"""The Redis client, and what is stored there: cached sums and rate limits."""
