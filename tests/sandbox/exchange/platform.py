"""A fake platform: a server on loopback that accepts webhooks and media streams."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web


class MediaConnection:
    """The platform's end of a media stream."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.headers = request.headers
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.changed = asyncio.Condition()

    async def send(self, frame: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(frame))

    async def send_audio(self, data: bytes) -> None:
        await self.send({"event": "media", "media": {"payload": base64.b64encode(data).decode()}})

    def of(self, event: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["event"] == event]

    def audio(self) -> bytes:
        return b"".join(base64.b64decode(frame["media"]["payload"]) for frame in self.of("media"))

    async def wait_for(self, event: str, count: int = 1, seconds: float = 30.0) -> list[dict[str, Any]]:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: len(self.of(event)) >= count)
        return self.of(event)


class FakePlatform:
    """Records webhooks and media streams. `on_frame`, if set, is called with each frame of a media stream."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[dict[str, str], bytes]] = []
        self.events: list[dict[str, Any]] = []
        self.streams: list[MediaConnection] = []
        self.statuses: list[
            int | float
        ] = []  # responses to the next webhooks: a status, or the seconds to wait before a 200
        self.on_frame: Callable[[MediaConnection, dict[str, Any]], Awaitable[None]] | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> "FakePlatform":
        app = web.Application()
        app.add_routes([web.post("/webhooks/telnyx", self._webhook), web.get("/media/{token}", self._media)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        for stream in self.streams:
            await stream.socket.close()
        await self._runner.cleanup()

    @property
    def webhook_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/telnyx"

    def media_url(self, name: str = "abc") -> str:
        return f"ws://127.0.0.1:{self.port}/media/{name}"

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        status = self.statuses.pop(0) if self.statuses else 200
        if isinstance(status, float):
            await asyncio.sleep(status)
            status = 200
        async with self._changed:
            self.deliveries.append((dict(request.headers), body))
            self.events.append(json.loads(body))
            self._changed.notify_all()
        return web.Response(status=status)

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        stream = MediaConnection(request, socket)
        async with self._changed:
            self.streams.append(stream)
            self._changed.notify_all()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                frame = json.loads(message.data)
                async with stream.changed:
                    stream.frames.append(frame)
                    stream.arrivals.append(asyncio.get_running_loop().time())
                    stream.changed.notify_all()
                if self.on_frame is not None:
                    await self.on_frame(stream, frame)
        return socket

    def types(self) -> list[str]:
        return [event["data"]["event_type"] for event in self.events]

    async def event(self, event_type: str, seconds: float = 30.0, count: int = 1) -> dict[str, Any]:
        """The payload of the `count`th event of a type. Waits for it."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.types().count(event_type) >= count)
        found = [event["data"]["payload"] for event in self.events if event["data"]["event_type"] == event_type]
        return found[count - 1]

    async def stream(self, count: int = 1) -> MediaConnection:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.streams) >= count)
        return self.streams[count - 1]
