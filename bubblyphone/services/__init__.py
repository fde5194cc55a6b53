"""The services behind `make run`: embedded PostgreSQL and Valkey, and the supervisor of all processes.

This package does not know Django or our apps: the platform only sees the environment that is set for it.
"""
