"""Limits how many requests of a process compute at once.

The threads of requests share Python's global lock with the event loop, which needs it for every frame of audio. The more threads compete
for it, the longer each waits. With 50 calls in a web process that answered 100 requests a second, the round trip of a frame took 41 ms at
p99, and 7 ms with this limit; a shorter switch interval made no difference. Requests are answered sooner, too, because only one thread
computes at any time.
"""

import asyncio
import threading
import time
from collections import deque

AT_ONCE = 3
# Every LOOK_SECONDS, the CPU time of each request is checked. One that used less than WAITS_SHARE of that time is waiting for PostgreSQL or
# another server, so another request can compute meanwhile.
LOOK_SECONDS = 0.02
WAITS_SHARE = 0.05
# After this time a request gives up its place, although it still computes, so that it does not block others.
LONGEST_SECONDS = 1.0


class Places:
    """The places of one event loop, given to waiting requests in order of arrival."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> "Place":
        """Wait for a place. The caller must `release` it."""
        if self._free:
            self._free -= 1
            return Place(self)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise
        return Place(self)

    def release(self) -> None:
        """Pass a place on to the request that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Place:
    """The place of one request. It is released when the request ends, waits, or has had it for LONGEST_SECONDS."""

    def __init__(self, places: Places) -> None:
        self._places: Places | None = places
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._clock: int | None = None
        self._used = 0.0
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def enter_thread(self) -> None:
        """Must be called in the request's thread, whose CPU time shows whether the request is waiting."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._used, self._clock = time.clock_gettime(clock), clock

    def release(self) -> None:
        """Can be called again, without effect."""
        self._looking.cancel()
        if self._places is not None:
            self._places.release()
            self._places = None

    def _look(self) -> None:
        used = self._used if self._clock is None else time.clock_gettime(self._clock)
        is_waiting = used - self._used < LOOK_SECONDS * WAITS_SHARE
        self._used = used
        if is_waiting or self._loop.time() - self._began > LONGEST_SECONDS:
            self.release()
        else:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)
