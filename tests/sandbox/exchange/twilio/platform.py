"""A fake platform for Twilio's protocol: it returns TwiML, accepts callbacks and media streams, and checks signatures."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

from tests.sandbox.exchange.platform import MediaConnection


class TwilioPlatform:
    """`documents`: TwiML, or a function of the request's parameters that returns it, by name. `requests`: all requests, in order."""

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)
        self.documents: dict[str, str | Callable[[dict[str, str]], str]] = {}
        self.statuses: dict[str, list[int]] = {}  # the next response statuses, by callback name
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.invalid: list[str] = []
        self.streams: list[MediaConnection] = []
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> "TwilioPlatform":
        app = web.Application()
        app.add_routes([web.route("*", "/twilio/{name}", self._webhook), web.get("/media/{token}", self._media)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        for stream in self.streams:
            await stream.socket.close()
        await self._runner.cleanup()

    def url(self, name: str, query: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/twilio/{name}{query}"

    def stream_twiml(self, then: str = "", **parameters: str) -> str:
        children = "".join(f'<Parameter name="{name}" value="{value}"/>' for name, value in parameters.items())
        url, callback = f"ws://127.0.0.1:{self.port}/media/abc", self.url("stream")
        stream = f'<Stream url="{url}" statusCallback="{callback}">{children}</Stream>'
        return f"<Response><Connect>{stream}</Connect>{then}</Response>"

    async def _webhook(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        params = form or dict(request.query)
        if not self._validator.validate(str(request.url), form, request.headers.get("X-Twilio-Signature", "")):
            self.invalid.append(str(request.url))
        name = request.match_info["name"]
        async with self._changed:
            self.requests.append((name, params))
            self.headers.append(dict(request.headers))
            self._changed.notify_all()
        document = self.documents.get(name)
        if document is None:
            statuses = self.statuses.get(name)
            return web.Response(status=statuses.pop(0) if statuses else 204)
        text = document if isinstance(document, str) else document(params)
        return web.Response(text=text, content_type="text/xml")

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        url = f"ws://127.0.0.1:{self.port}{request.path}"
        if not self._validator.validate(url, {}, request.headers.get("X-Twilio-Signature", "")):
            self.invalid.append(url)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        stream = MediaConnection(request, socket)
        async with self._changed:
            self.streams.append(stream)
            self._changed.notify_all()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                async with stream.changed:
                    stream.frames.append(json.loads(message.data))
                    stream.changed.notify_all()
        return socket

    def of(self, name: str) -> list[dict[str, str]]:
        return [params for each, params in self.requests if each == name]

    async def request(self, name: str, count: int = 1, **expected: str) -> dict[str, str]:
        """Wait for `count` requests of this name with the `wanted` parameters. Returns the parameters of the last one."""

        def found() -> list[dict[str, str]]:
            return [params for params in self.of(name) if expected.items() <= params.items()]

        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def stream(self, count: int = 1) -> MediaConnection:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.streams) >= count)
        return self.streams[count - 1]


def started(connection: MediaConnection) -> dict[str, Any]:
    """The content of the `start` frame."""
    start: dict[str, Any] = connection.of("start")[0]["start"]
    return start
