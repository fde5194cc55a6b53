"""The machine room of `make run`: embedded PostgreSQL and Valkey, and the supervisor of all processes.

Nothing in here knows Django or our apps: the platform sees only the environment that is set for it.
"""
