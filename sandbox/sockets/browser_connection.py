"""A browser's WebSocket with JSON frames, shared by voice and text conversations."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from bubblyphone.core.json.documents import InvalidJSON, parse_json
from calls.control import lifecycle
from calls.live.database_threads import in_database
from calls.live.session_runner import OnEnd
from calls.models import HangupCause

logger = logging.getLogger(__name__)
NORMAL = {"", HangupCause.NORMAL_CLEARING}
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class BrowserConnection:
    """An accepted connection. Frames sent after its end are dropped."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.is_open = True

    async def send_json(self, frame: Mapping[str, Any]) -> None:
        if self.is_open:
            await self._send({"type": "websocket.send", "text": orjson.dumps(frame).decode()})

    async def end(self, cause: str) -> None:
        """Send the `ended` frame, and close the connection."""
        await self.send_json({"type": "ended", "reason": "completed" if cause in NORMAL else cause})
        if self.is_open:
            self.is_open = False
            await self._send({"type": "websocket.close", "code": 1000})


async def run_call(call_id: int, run: Callable[[OnEnd], Awaitable[str]]) -> str:
    """Run a session, which calls its argument when the call ends; returns why it ended."""

    async def on_end(cause: str) -> None:
        await in_database(lifecycle.end_call, call_id, cause or HangupCause.NORMAL_CLEARING)

    try:
        return await run(on_end)
    except Exception:
        logger.exception("A sandbox call's session failed")
        await on_end(HangupCause.MODEL_FAILED)
        return HangupCause.MODEL_FAILED


def read_frame(message: Mapping[str, Any], max_kibibytes: int) -> tuple[Any, str]:
    """The JSON of a frame and "", or None and the problem."""
    text = message.get("text")
    if not text or len(text) > max_kibibytes * 1024:
        return None, f"Frames must be JSON text of at most {max_kibibytes} KiB."
    try:
        return parse_json(text), ""
    except InvalidJSON:
        return None, "This frame is not JSON."
