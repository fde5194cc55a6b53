"""Exact limits across all processes, kept in Redis: how often in a window, and how many at once.

While Redis is away each process counts for itself (`local_limits`): a lost counter must not stop paying customers, nor let all guess.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

from redis.exceptions import RedisError

from bubblyphone.core.errors import TooManyRequests
from bubblyphone.core.redis.client import get_redis
from bubblyphone.core.redis.local_limits import LocalLimits

# One atomic step: forget what is older than the window, count, and note this hit if there is room. Times in
# microseconds of Redis' own clock. KEYS[1] the log; ARGV: limit, window.
# Gives {passes, count, age of the oldest hit}.
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and now - tonumber(oldest) >= window do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
end
local count = redis.call('LLEN', KEYS[1])
local age = oldest and now - tonumber(oldest) or 0
if count >= limit then return {0, count, age} end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return {1, count + 1, age}
"""
# KEYS[1] the holders by the end of their leases; ARGV: limit, lease, holder. Gives 0 for a place, else the microseconds until
# the next is free at the latest.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= limit then
    return tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]) - now
end
redis.call('ZADD', KEYS[1], now + lease, ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(lease / 1000))
return 0
"""
MICROSECONDS = 1_000_000
local = LocalLimits()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bucket has left. `retry_after` is in whole seconds, rounded up; 0 while there is room."""

    limit: int
    remaining: int
    retry_after: int = 0

    @property
    def is_exceeded(self) -> bool:
        return self.retry_after > 0


def hit(bucket: str, *, limit: int, window_seconds: int = 60) -> Allowance:
    """Count one request. In any window at most `limit` pass; refused ones do not count."""
    try:
        answer: Any = get_redis().eval(_COUNT, 1, f"ratelimit:{bucket}", limit, window_seconds * MICROSECONDS)
        passes, count, age = answer[0], answer[1], answer[2] / MICROSECONDS
    except RedisError:
        passes, count, age = local.count(bucket, limit, window_seconds)
    if not passes:
        return Allowance(limit, 0, max(1, ceil(window_seconds - age)))
    return Allowance(limit, limit - count)


def take_back(bucket: str) -> None:
    """The latest hit does not count after all."""
    try:
        get_redis().rpop(f"ratelimit:{bucket}")
    except RedisError:
        local.take_back(bucket)


@contextmanager
def at_most(limit: int, bucket: str, *, lease_seconds: int, message: str) -> Iterator[None]:
    """Hold one of the bucket's `limit` places while the block runs. Raises TooManyRequests with `message` when all are taken.

    A process that dies leaves its place taken until the lease, which is longer than the block may run, is over.
    """
    holder, key = uuid.uuid4().hex, f"places:{bucket}"
    try:
        answer: Any = get_redis().eval(_TAKE, 1, key, limit, lease_seconds * MICROSECONDS, holder)
        wait = answer / MICROSECONDS
    except RedisError:
        wait = local.take(bucket, holder, limit, lease_seconds)
    if wait > 0:
        raise TooManyRequests(message, max(1, ceil(wait)))
    try:
        yield
    finally:
        local.give_back(bucket, holder)
        with suppress(RedisError):  # then the lease ends it
            get_redis().zrem(key, holder)
