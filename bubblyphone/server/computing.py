"""How many requests of a process compute at once.

Threads take turns with Python's global lock, and so does the event loop with every frame of audio: the more threads want the lock, the
longer each waits. With 50 calls in a web process that answered 100 requests a second, one frame in a hundred took 41 ms to return, and 7
with this limit; a shorter switch interval changed nothing. Requests are answered sooner, too, because only one thread computes in any case.
"""

import asyncio
import threading
import time
from collections import deque

AT_ONCE = 3
# A request that used less than a twentieth of this time waits for PostgreSQL or another server: another one can compute meanwhile.
LOOK_SECONDS = 0.02
WAITS_SHARE = 0.05
# What takes longer does not keep others waiting.
LONGEST_SECONDS = 1.0


class Places:
    """For the requests of one event loop: first come, first served."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> "Place":
        """Wait for a place. Call its `release` at the end."""
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
    """A request's place, until the request ends, waits, or has had it for LONGEST_SECONDS."""

    def __init__(self, places: Places) -> None:
        self._places: Places | None = places
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._clock: int | None = None
        self._used = 0.0
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def enter_thread(self) -> None:
        """Called in the thread that computes."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._used, self._clock = time.clock_gettime(clock), clock

    def release(self) -> None:
        """Does nothing if it was passed on already."""
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
