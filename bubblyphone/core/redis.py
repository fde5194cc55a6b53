"""The one synchronous Redis client of a process."""

from functools import cache

from django.conf import settings
from redis import Redis


@cache
def get_redis() -> "Redis":
    """Thread-safe, with a pool of connections. An answer that takes longer than 2 s is an error."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
