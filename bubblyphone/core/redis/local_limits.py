"""Fallback for `ratelimit` while Redis is unavailable: the same rules in the memory of this process."""

import time
from collections import OrderedDict, deque
from threading import Lock
from typing import Any

# Maximum number of buckets; beyond that, those unused for longest are dropped.
MAX_BUCKETS = 10_000


class LocalLimits:
    """Logs of requests and taken places, by bucket. Thread-safe. Times in seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()
        self._places: OrderedDict[str, dict[str, float]] = OrderedDict()

    def count(self, bucket: str, limit: int, window: float) -> tuple[bool, int, float]:
        """Whether there is room, how many requests count now, and the age of the oldest; counts this one if there is room."""
        now = time.monotonic()
        with self._lock:
            log = self._hits.setdefault(bucket, deque())
            self._hits.move_to_end(bucket)
            while log and now - log[0] >= window:
                log.popleft()
            age = now - log[0] if log else 0.0
            if len(log) >= limit:
                return False, len(log), age
            log.append(now)
            _forget_oldest(self._hits)
            return True, len(log), age

    def take_back(self, bucket: str) -> None:
        """The latest request does not count after all."""
        with self._lock:
            if log := self._hits.get(bucket):
                log.pop()

    def take(self, bucket: str, holder: str, limit: int, lease: float) -> float:
        """Take a place for at most `lease` seconds.

        Returns 0 if it was taken, otherwise the seconds until the next one is free at the latest.
        """
        now = time.monotonic()
        with self._lock:
            held = {name: ends for name, ends in self._places.get(bucket, {}).items() if ends > now}
            if len(held) >= limit:
                return min(held.values()) - now
            self._places[bucket] = {**held, holder: now + lease}
            self._places.move_to_end(bucket)
            _forget_oldest(self._places)
            return 0.0

    def give_back(self, bucket: str, holder: str) -> None:
        """Free a place; does nothing if it is not held."""
        with self._lock:
            held = self._places.get(bucket, {})
            held.pop(holder, None)
            if not held:
                self._places.pop(bucket, None)


def _forget_oldest(buckets: OrderedDict[str, Any]) -> None:
    while len(buckets) > MAX_BUCKETS:
        buckets.popitem(last=False)
