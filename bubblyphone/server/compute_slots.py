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

SLOTS = 3
# Every CHECK_SECONDS, the CPU time of each request is checked. One that used less than WAITING_SHARE of that time is waiting for
# PostgreSQL or another server, so another request can compute meanwhile.
CHECK_SECONDS = 0.02
WAITING_SHARE = 0.05
# After this time a request gives up its slot, although it still computes, so that it does not block others.
MAX_SECONDS = 1.0


class ComputeSlots:
    """The slots of one event loop, given to waiting requests in order of arrival."""

    def __init__(self, at_once: int = SLOTS) -> None:
        self._free = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> "ComputeSlot":
        """Wait for a slot. The caller must `release` it."""
        if self._free:
            self._free -= 1
            return ComputeSlot(self)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise
        return ComputeSlot(self)

    def release(self) -> None:
        """Pass a slot on to the request that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class ComputeSlot:
    """The slot of one request. It is released when the request ends, waits, or has had it for MAX_SECONDS."""

    def __init__(self, slots: ComputeSlots) -> None:
        self._slots: ComputeSlots | None = slots
        self._loop = asyncio.get_running_loop()
        self._taken_at = self._loop.time()
        self._clock: int | None = None
        self._used = 0.0
        self._next_check = self._loop.call_later(CHECK_SECONDS, self._check)

    def enter_thread(self) -> None:
        """Must be called in the request's thread, whose CPU time shows whether the request is waiting."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._used, self._clock = time.clock_gettime(clock), clock

    def release(self) -> None:
        """Can be called again, without effect."""
        self._next_check.cancel()
        if self._slots is not None:
            self._slots.release()
            self._slots = None

    def _check(self) -> None:
        used = self._used if self._clock is None else time.clock_gettime(self._clock)
        is_waiting = used - self._used < CHECK_SECONDS * WAITING_SHARE
        self._used = used
        if is_waiting or self._loop.time() - self._taken_at > MAX_SECONDS:
            self.release()
        else:
            self._next_check = self._loop.call_later(CHECK_SECONDS, self._check)
