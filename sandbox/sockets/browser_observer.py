"""Reports a running sandbox call to its browser, in addition to the database."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from calls.live.event_writer import EventWriter
from calls.session.turn_clock import TurnTimes


class Browser(Protocol):
    """The browser's connection."""

    async def send_json(self, frame: Mapping[str, Any]) -> None: ...


class BrowserObserver:
    """Records everything, and sends the browser its part."""

    def __init__(self, recorder: EventWriter, browser: Browser) -> None:
        self._recorder = recorder
        self._browser = browser
        self._frames: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._forward())

    def event(self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming") -> None:
        self._recorder.event(event_type, metadata, source=source)
        if event_type == "stream.connected":
            self.show({"type": "ready"})
        elif event_type == "tool.returned":
            self.show({"type": "tool_result", **(metadata or {})})

    def transcript(
        self, role: str, text: str, *, item_id: str = "", interrupted_at_ms: int | None = None, commentary: bool = False
    ) -> None:
        self._recorder.transcript(
            role, text, item_id=item_id, interrupted_at_ms=interrupted_at_ms, commentary=commentary
        )
        self.show({"type": "transcript", "role": role, "text": text})

    def interrupted(self, item_id: str, heard_ms: int, share: float) -> None:
        self._recorder.interrupted(item_id, heard_ms, share)

    def turn(self, times: TurnTimes, seconds_ago: float) -> None:
        self._recorder.turn(times, seconds_ago)

    def spoke(self, role: str, began_ago: float, ended_ago: float) -> None:
        self._recorder.spoke(role, began_ago, ended_ago)

    def model_spoke(self) -> None:
        self._recorder.model_spoke()

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None:
        self._recorder.tool_called(tool, arguments)
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
