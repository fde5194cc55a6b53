"""Runs callbacks at precise times: uvloop's timers are a whole number of milliseconds, so calls would send their frames together."""

import asyncio
import contextlib
import ctypes
import heapq
import os
import struct
import time
from collections.abc import Callable
from typing import Self

# CLOCK_MONOTONIC, which `perf_counter` reads on Linux, and TFD_TIMER_ABSTIME, see timerfd_create(2)
_MONOTONIC = _ABSOLUTE = 1
_SETTING = struct.Struct("qqqq")  # `struct itimerspec`: interval and time, each in seconds and nanoseconds
_libc = ctypes.CDLL(None, use_errno=True)


class FrameClock:
    """One timer of the kernel for all lines of a process. Python has no function for it before 3.13. Linux only."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0  # orders callbacks that are due at the same time

    def __enter__(self) -> Self:
        self._timer = _libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        asyncio.get_running_loop().add_reader(self._timer, self._run)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.get_running_loop().remove_reader(self._timer)
        os.close(self._timer)

    def call_at(self, due: float, callback: Callable[[], None]) -> None:
        """Run a callback at a time of `perf_counter`. It cannot be canceled."""
        self._count += 1
        heapq.heappush(self._due, (due, self._count, callback))
        if self._due[0][1] == self._count:
            self._set()

    def _run(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was set again after it had expired
            os.read(self._timer, 8)
        while self._due and self._due[0][0] <= time.perf_counter():
            heapq.heappop(self._due)[2]()
        self._set()

    def _set(self) -> None:
        """Set the timer to the first callback. A time in the past ends at once; 0 would stop the timer."""
        if self._due:
            seconds, nanoseconds = divmod(max(1, int(self._due[0][0] * 1e9)), 1_000_000_000)
            _libc.timerfd_settime(self._timer, _ABSOLUTE, _SETTING.pack(0, 0, seconds, nanoseconds), None)
