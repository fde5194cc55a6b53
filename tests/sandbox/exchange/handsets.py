"""The two ends of calls in tests: a browser's phone, and an agent that answers."""

import asyncio
import json

import aiohttp

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.tones import tone
from tests.sandbox.exchange.platform import FakePlatform, MediaConnection
from tests.sandbox.exchange.test_media_stream import RTP

BROWSER = "+15551230100"

ANSWER = pcm16_to_mulaw(tone(600, 0.8))


def answering(platform: FakePlatform, telnyx) -> asyncio.Task:
    """Answer the next inbound call with a media stream."""

    async def answer() -> MediaConnection:
        call_id = (await platform.event("call.initiated"))["call_control_id"]
        await telnyx.calls.actions.answer(call_id, stream_url=platform.media_url(), **RTP)
        stream = await platform.stream()
        await stream.wait_for("start")
        return stream

    return asyncio.create_task(answer())


class Browser:
    """A client of the handsets WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.audio = b""

    async def send(self, **message: str) -> None:
        await self.socket.send_json(message)

    async def next(self, seconds: float = 30.0) -> dict:
        """The next control message. Audio before it is collected."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.audio += message.data
                elif message.type is aiohttp.WSMsgType.TEXT:
                    return json.loads(message.data)
                else:
                    return {"closed": self.socket.close_code}

    async def listen(self, size: int) -> None:
        async with asyncio.timeout(30):
            while len(self.audio) < size:
                self.audio += await self.socket.receive_bytes()
