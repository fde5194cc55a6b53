"""The synchronous Redis clients of a process, ours and that of Django's cache, and operation without Redis while it is unavailable."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache.backends import redis as django_redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

logger = logging.getLogger(__name__)
# A response that takes longer than 2 s is an error.
LIMITS = {"socket_timeout": 2, "socket_connect_timeout": 1}
# While Redis is down, one request tries it per interval (seconds); all others fail immediately.
TRY_AGAIN_SECONDS = 5.0
R = TypeVar("R")


class Breaker:
    """Whether Redis is unavailable, shared by the threads of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._try_again_at = 0.0  # 0: available

    def check(self) -> None:
        """Raises NoConnection while Redis is unavailable, unless it is time to try again."""
        with self._lock:
            if self._try_again_at > time.monotonic():
                raise NoConnection("Redis was unavailable a moment ago.")
            if self._try_again_at:
                self._try_again_at = time.monotonic() + TRY_AGAIN_SECONDS

    def note(self, *, is_away: bool) -> None:
        with self._lock:
            was_away, self._try_again_at = (
                self._try_again_at > 0,
                time.monotonic() + TRY_AGAIN_SECONDS if is_away else 0.0,
            )
        if was_away != is_away:
            logger.warning("Redis is unavailable. Continuing without it." if is_away else "Redis is available again.")


breaker = Breaker()


@contextmanager
def reached() -> Iterator[None]:
    """Wraps Redis commands. Raises RedisError, immediately while Redis is known to be unavailable."""
    breaker.check()
    try:
        yield
    except (NoConnection, NoAnswer):
        breaker.note(is_away=True)
        raise
    breaker.note(is_away=False)


class GuardedRedis(Redis):
    """A client whose commands do not wait for an unavailable Redis."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with reached():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


class SharedPool(ConnectionPool):
    """For Django's cache: each request creates a cache object that requests a pool, which is always this one."""

    @classmethod
    @cache
    def from_url(cls, url: str, **options: Any) -> "SharedPool":
        """The only pool of this process for that URL."""
        return super().from_url(url, **LIMITS, **options)


@cache
def get_redis() -> "Redis":
    """Thread-safe, with a pool of connections."""
    return GuardedRedis.from_url(settings.REDIS_URL, **LIMITS)


class _CacheClient(django_redis.RedisCacheClient):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "pool_class": SharedPool})
        self._client = GuardedRedis


class OptionalCache(django_redis.RedisCache):
    """Django's cache in Redis (settings.CACHES). Without Redis every lookup misses and nothing is stored, so the caller computes the value.

    Only `get`, `set` and `delete` may be used: what is added or counted must not depend on a cache.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _CacheClient

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return _without(default, lambda: super(OptionalCache, self).get(key, default, version))

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        _without(None, lambda: super(OptionalCache, self).set(key, value, timeout, version))

    def delete(self, key: str, version: int | None = None) -> bool:
        return _without(False, lambda: super(OptionalCache, self).delete(key, version))


def _without(default: R, ask: Callable[[], R]) -> R:
    try:
        return ask()
    except RedisError:
        return default
