"""A browser's WebSocket with JSON frames, shared by voice and text conversations."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from bubblyphone.core.json.documents import InvalidJSON, parse_json

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

    async def close(self) -> None:
        if self.is_open:
            self.is_open = False
            await self._send({"type": "websocket.close", "code": 1000})


def read_frame(message: Mapping[str, Any], max_kibibytes: int) -> tuple[Any, str]:
    """The JSON of a frame and "", or None and the problem."""
    text = message.get("text")
    if not text or len(text) > max_kibibytes * 1024:
        return None, f"Frames must be JSON text of at most {max_kibibytes} KiB."
    try:
        return parse_json(text), ""
    except InvalidJSON:
        return None, "This frame is not JSON."
