"""Groups DTMF keys pressed in quick succession into one input."""

import asyncio
from collections.abc import Awaitable, Callable

# After this pause the input is complete.
PAUSE_SECONDS = 1.2


class DtmfCollector:
    """Collects keys; `tell` receives them as one input after a pause."""

    def __init__(self, tell: Callable[[str], Awaitable[None]]) -> None:
        self._tell = tell
        self._pressed = ""
        self.task: asyncio.Task[None] | None = None

    def press(self, key: str) -> None:
        """Returns at once."""
        self._pressed += key
        if self.task is not None:
            self.task.cancel()
        self.task = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        keys, self._pressed = self._pressed, ""
        await self._tell(keys)
