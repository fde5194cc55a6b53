"""Exact limits across all processes: a log of the last window's requests per bucket, kept in Redis."""

import logging
from dataclasses import dataclass

from redis.exceptions import RedisError

from bubblyphone.core.redis import get_redis

logger = logging.getLogger(__name__)

# One atomic step: forget what is older than the window, count, and note this hit if there is room. Times in
# microseconds of Redis' own clock. KEYS[1] the log; ARGV: limit, window, hits to note (0 only looks).
# Gives {passes, count, age of the oldest hit}.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window, hits = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and now - tonumber(oldest) >= window do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
end
local count = redis.call('LLEN', KEYS[1])
local age = oldest and now - tonumber(oldest) or 0
if count >= limit then return {0, count, age} end
if hits > 0 then
    redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
end
return {1, count + hits, age}
"""


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
    """Count one request. In any window at most `limit` pass; refused ones do not count.

    Without Redis everything passes: a lost counter must not stop paying customers.
    """
    return _run(bucket, limit, window_seconds, hits=1)


def look(bucket: str, *, limit: int, window_seconds: int = 60) -> Allowance:
    """Like `hit`, but counts nothing."""
    return _run(bucket, limit, window_seconds, hits=0)


def _run(bucket: str, limit: int, window_seconds: int, hits: int) -> Allowance:
    window = window_seconds * 1_000_000
    try:
        passes, count, age = get_redis().eval(_SCRIPT, 1, f"ratelimit:{bucket}", limit, window, hits)
    except RedisError:
        logger.exception("Counting requests for rate limits failed")
        return Allowance(limit, limit)
    if not passes:
        return Allowance(limit, 0, max(1, -(-(window - age) // 1_000_000)))
    return Allowance(limit, limit - count)
