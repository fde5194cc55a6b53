"""Reports a running sandbox call to its browser, in addition to the database."""

import asyncio
from collections.abc import Mapping
from typing import Any

from calls.live.event_writer import EventWriter
from sandbox.sockets.browser_connection import BrowserConnection


class BrowserObserver(EventWriter):
    """Records everything, and sends the browser its part."""

    def __init__(self, call_id: int, browser: BrowserConnection) -> None:
        super().__init__(call_id)
        self._browser = browser
        self._frames: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._forward())

    def event(self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming") -> None:
        super().event(event_type, metadata, source=source)
        if event_type == "stream.connected":
            self.show({"type": "ready"})
        elif event_type == "tool.returned":
            self.show({"type": "tool_result", **(metadata or {})})

    def transcript(self, role: str, text: str, **details: Any) -> None:
        super().transcript(role, text, **details)
        self.show({"type": "transcript", "role": role, "text": text})

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None:
        super().tool_called(tool, arguments)
        self.show({"type": "tool_call", "tool": tool, "arguments": dict(arguments)})

    def show(self, frame: Mapping[str, Any]) -> None:
        """Send a frame after the previous ones, without waiting."""
        self._frames.put_nowait(frame)

    async def _forward(self) -> None:
        while (frame := await self._frames.get()) is not None:
            await self._browser.send_json(frame)

    async def finish(self) -> None:
        """Send the remaining frames, then stop."""
        self._frames.put_nowait(None)
        await self._task
