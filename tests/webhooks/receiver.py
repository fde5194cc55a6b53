"""A loopback webhook endpoint that can hang, drip, fail and redirect, and records requests with their times."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # Unix time


class Receiver:
    """`/ok` responds immediately, `/slow` after 10 ms, `/hang` never, `/drip` a byte at a time, and `/status/503` with that status."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.failures_left = 0
        self._came = asyncio.Event()
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def wait_for(self, count: int, path: str | None = None, seconds: float = 30) -> list[Received]:
        """Wait for `count` requests (to `path`), and return them."""
        async with asyncio.timeout(seconds):
            while True:
                found = [request for request in self.received if path is None or request.path == path]
                if len(found) >= count:
                    return found
                self._came.clear()
                await self._came.wait()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        at = time.time()
        self.received.append(Received(request.path, dict(request.headers), await request.read(), at))
        self._came.set()
        match request.path.split("/")[1:]:
            case ["hang", *_]:
                await asyncio.sleep(3600)
            case ["slow"]:
                await asyncio.sleep(0.01)
            case ["drip"]:
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b"x")
                    await asyncio.sleep(0.05)
            case ["large"]:
                return web.Response(body=b"y" * 1_000_000)
            case ["nul"]:
                return web.Response(body=b"a\x00b\xff")
            case ["redirect"]:
                raise web.HTTPFound("/ok")
            case ["status", code]:
                return web.Response(status=int(code), text="no")
            case ["flaky"] if self.failures_left:
                self.failures_left -= 1
                return web.Response(status=500, text="not yet")
        return web.json_response({"ok": True})
