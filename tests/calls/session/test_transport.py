"""The carrier's media connection: the frames that a session's audio is sent in."""

import base64
from typing import Any

import orjson

from bubblyphone.core.audio import PCMU_8K
from calls.session.transport import CarrierTransport
from phone_numbers.carriers.media_protocol import StreamStarted
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol


class Line:
    """Collects the frames that the transport sends, decoded."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.transport = CarrierTransport(TelnyxMediaProtocol, self.receive, self.send)
        self.transport.start(TelnyxMediaProtocol(StreamStarted("v3:x", PCMU_8K)))

    async def receive(self) -> dict[str, Any]:
        return {"type": "websocket.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        frame = orjson.loads(message["text"])
        self.frames.append(base64.b64decode(frame["media"]["payload"]) if frame["event"] == "media" else frame["event"])

    async def play(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self.transport.send_audio(base64.b64encode(piece).decode())


async def test_chunks_too_short_for_the_carrier_are_sent_with_the_next_one() -> None:
    line = Line()
    await line.play(b"a" * 160, b"b" * 159, b"c" * 7, b"d" * 160)
    assert line.frames == [b"a" * 160, b"b" * 159 + b"c" * 7, b"d" * 160]


async def test_a_short_last_chunk_is_padded_with_silence_before_its_mark() -> None:
    line = Line()
    await line.play(b"a" * 200, b"b" * 50, b"c" * 50)
    await line.transport.send_mark("m1")
    await line.play(b"d" * 160)
    assert line.frames == [b"a" * 200, b"b" * 50 + b"c" * 50 + b"\xff" * 60, "mark", b"d" * 160]


async def test_a_clear_drops_a_held_back_chunk() -> None:
    line = Line()
    await line.play(b"a" * 50)
    await line.transport.clear()
    await line.play(b"b" * 160)
    assert line.frames == ["clear", b"b" * 160]


async def test_invalid_base64_is_ignored() -> None:
    line = Line()
    await line.transport.send_audio("A")
    await line.play(b"a" * 160)
    assert line.frames == [b"a" * 160]
