"""An aiohttp server in a thread with its own event loop, for tests that block."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Self

from aiohttp import web


class WebThread:
    """Use as `with WebThread(fake.routes()) as server: server.url`."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        self._app = web.Application(client_max_size=64 * 1024 * 1024)
        self._app.add_routes(list(routes))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> str:
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"
