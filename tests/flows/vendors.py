"""Fake model vendors for a platform in other processes, on a thread with its own event loop.

Each API key has its own fake, so that calls with different outcomes can run in parallel on one platform.
"""

import asyncio
import threading
from typing import Self

from aiohttp import web

from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.vendor import FakeVendor, Script

OPENAI_KEY, GEMINI_KEY = "sk-of-the-platform", "google-key-of-the-platform"


class Vendors:
    """`with Vendors() as vendors: vendors.openai(script, key=…)`. `environment` is for the platform."""

    def __init__(self) -> None:
        self._fakes: dict[str, FakeVendor] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def openai(self, script: Script, key: str = OPENAI_KEY) -> FakeOpenAI:
        """Set what OpenAI does from now on for requests with this key."""
        self._fakes[key] = fake = FakeOpenAI(script)
        return fake

    def gemini(self, script: Script, key: str = GEMINI_KEY) -> FakeGemini:
        """Set what Google does from now on for requests with this key."""
        self._fakes[key] = fake = FakeGemini(script)
        return fake

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "GEMINI_API_KEY": GEMINI_KEY,
            "GOOGLE_GEMINI_BASE_URL": self.url,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_get(FakeOpenAI.path, self.serve)
        app.router.add_get(FakeGemini.path, self.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("x-goog-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        fake = self._fakes.get(key)
        if fake is None:
            return web.json_response({"error": {"message": "Incorrect API key provided."}}, status=401)
        return await fake.serve(request)
