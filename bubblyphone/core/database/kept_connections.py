"""Database connections of processes that query all the time."""

from django.db import connections


def keep_connections() -> None:
    """Each thread keeps its connection. Otherwise Django closes it when a task ends, and a new one is most of a small task's cost."""
    for database in connections.settings.values():
        database |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
