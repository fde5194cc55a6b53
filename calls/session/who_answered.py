"""Who answered an outbound call: a person, or a machine that records messages. Pure asyncio."""

import asyncio
import time
from collections.abc import Callable

# Without a verdict by then, the model treats the callee as a person.
VERDICT_SECONDS = 4.0


class Answering:
    """What is known about the other end. Without `detects` it counts as a person from the start."""

    def __init__(self, *, detects: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.is_machine = False
        self.greeting_ended_at: float | None = None  # on the clock `now`; None: not reported
        self._decided = asyncio.Event()
        if not detects:
            self._decided.set()

    @property
    def is_decided(self) -> bool:
        return self._decided.is_set()

    def person(self) -> None:
        """The carrier reports a person."""
        self._decided.set()

    def machine(self) -> bool:
        """The carrier reports a machine. False if that is already known."""
        is_new, self.is_machine = not self.is_machine, True
        self._decided.set()
        return is_new

    def greeting_ended(self, *, seconds_ago: float = 0.0) -> None:
        """The carrier reports the end of the greeting, `seconds_ago` late. The first report counts."""
        if self.greeting_ended_at is None:
            self.greeting_ended_at = self._now() - max(0.0, seconds_ago)

    async def wait_for_verdict(self) -> None:
        """Wait for the verdict, for up to 4 s."""
        try:
            async with asyncio.timeout(VERDICT_SECONDS):
                await self._decided.wait()
        except TimeoutError:
            self._decided.set()
