"""The synchronous Redis clients of a process: ours, and that of Django's cache."""

from functools import cache
from typing import Any

from django.conf import settings
from redis import ConnectionPool, Redis

# An answer that takes longer than 2 s is an error.
LIMITS = {"socket_timeout": 2, "socket_connect_timeout": 2}


class SharedPool(ConnectionPool):
    """Of Django's cache (settings.CACHES): each request makes a cache object, and that asks for a pool, which is always this one."""

    @classmethod
    @cache
    def from_url(cls, url: str, **options: Any) -> "SharedPool":
        """The one pool of this process for that address."""
        return super().from_url(url, **LIMITS, **options)


@cache
def get_redis() -> "Redis":
    """Thread-safe, with a pool of connections."""
    return Redis.from_url(settings.REDIS_URL, **LIMITS)
