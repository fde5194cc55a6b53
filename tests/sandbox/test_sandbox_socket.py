"""The sandbox's WebSocket frames, without a network."""

import asyncio
import base64
from typing import Any

import orjson
import pytest

from sandbox.sockets import sandbox_socket
from sandbox.sockets.sandbox_socket import TOLERATED_ERRORS, SandboxTransport

PAYLOAD = base64.b64encode(bytes(640)).decode()
AUDIO = {"type": "websocket.receive", "text": orjson.dumps({"type": "audio", "data": PAYLOAD}).decode()}
MALFORMED = {"type": "websocket.receive", "text": "{"}


async def test_occasional_malformed_frames_are_not_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_socket, "FLOOD_SECONDS", 0)  # earlier errors were long ago
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        answers.append(orjson.loads(message["text"]))

    frames = SandboxTransport(incoming.get, send).frames()
    for _ in range(2):
        for message in [MALFORMED] * TOLERATED_ERRORS + [AUDIO]:
            incoming.put_nowait(message)
        assert await anext(frames) == PAYLOAD
    assert answers == [{"type": "error", "message": "This frame is not JSON."}] * 2 * TOLERATED_ERRORS

    monkeypatch.undo()
    for message in [MALFORMED, AUDIO]:
        incoming.put_nowait(message)
    with pytest.raises(StopAsyncIteration):
        await anext(frames)
    assert answers[-1] == {"type": "error", "message": sandbox_socket.FLOODED}
