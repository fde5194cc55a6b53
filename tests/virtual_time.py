"""An event loop with virtual time: time stands still while anything can run, and jumps to the next timer when nothing can.

For tests that control both ends. Waiting takes no real time, and events happen at exact times, however busy the machine
is. Sockets must have both ends in the loop: time stands still until what one end has sent has arrived at the other. Threads
can work: time stands still until they are done, so they must not wait for a timer of the loop.

To use it: `pytestmark = pytest.mark.virtual_time`.
"""

import array
import asyncio
import fcntl
import selectors
import termios
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

BEGINS_AT = 1000.0  # not 0, so that code which confuses a missing time with the start fails
# Loopback delivers almost everything immediately. On a busy machine the kernel can need this long.
IN_FLIGHT_SECONDS = 0.005


class _Jumping(selectors.DefaultSelector):
    """Asks the loop what to do instead of waiting."""

    loop: "VirtualLoop"
    _acknowledged_late = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0) or self._arriving(timeout)
        if ready or timeout == 0 or self.loop.is_awaited():
            return ready
        if self.loop.threads_at_work:
            return super().select(None)
        if timeout is None:
            raise RuntimeError("Everything waits for something that will never come.")
        self.loop.jump(timeout)
        return []

    def _arriving(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait shortly if a socket has sent bytes that the other end's kernel has not acknowledged; returns what has arrived."""
        sent = timeout != 0 and sum(_unacknowledged(key.fd) for key in self.get_map().values())
        if not sent or sent == self._acknowledged_late:
            return super().select(0)
        ready = super().select(IN_FLIGHT_SECONDS)
        self._acknowledged_late = 0 if ready else sent
        return ready


def _unacknowledged(fd: int) -> int:
    """In bytes."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    except OSError:  # a listening socket
        return 0
    return count[0]


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's docstring. `time` is in seconds, starting at BEGINS_AT."""

    def __init__(self) -> None:
        self._now = BEGINS_AT
        self._awaited: list[tuple[Callable[[], object], asyncio.Future[None]]] = []
        self.threads_at_work = 0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Skip to a timer in `seconds`, because nothing can run before it."""
        self._now += seconds

    def is_awaited(self) -> bool:
        """Nothing can run now. Wakes those who waited for this moment, and returns whether there were any."""
        called = [(condition, waiter) for condition, waiter in self._awaited if not waiter.done() and condition()]
        for _, waiter in called:
            waiter.set_result(None)
        self._awaited = [each for each in self._awaited if not each[1].done()]
        return bool(called)

    def when(self, condition: Callable[[], object]) -> "asyncio.Future[None]":
        """Done as soon as nothing can run and `condition` is true."""
        waiter = self.create_future()
        self._awaited.append((condition, waiter))
        return waiter

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        working: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)  # type: ignore[assignment]
        self.threads_at_work += 1
        working.add_done_callback(self._thread_is_done)
        return working

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Waits for a thread, which counts like the others."""
        self.threads_at_work += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self.threads_at_work -= 1

    def _thread_is_done(self, _: object) -> None:
        self.threads_at_work -= 1


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for the first moment at which `condition` is true and everything due has run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "mark the module with pytest.mark.virtual_time"
    async with asyncio.timeout(seconds):
        await loop.when(condition)


async def settled() -> None:
    """Wait until everything that can run now has run."""
    await until(lambda: True)
