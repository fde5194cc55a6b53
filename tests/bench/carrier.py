"""The parts of Telnyx that a call on the platform needs: signed webhooks, commands, and media streams. Also the developer's server, which
receives webhooks.
"""

import asyncio
import base64
import time
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bench.line import Line

ANSWER_SECONDS = 30


async def open_stream(line: Line, url: str, call: str) -> None:
    """Open a media stream and start it."""
    await line.connect(url)
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    start = {"call_control_id": call, "media_format": media_format}
    line.send(orjson.dumps({"event": "connected", "version": "1.0.0"}))
    line.send(orjson.dumps({"event": "start", "sequence_number": "1", "start": start}))


class BenchCarrier:
    """Use as `async with BenchCarrier() as carrier`. `base_url` and `public_key` are for TELNYX_… settings."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        self.base_url = self.hook_url = ""
        self.webhook_url = ""
        # Call → media stream URL from its answer, and the time of the answer.
        self._answers: dict[str, asyncio.Future[tuple[str, float]]] = {}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take_webhook)
        app.router.add_post("/v2/calls/{call}/actions/{command}", self._command)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.base_url, self.hook_url = f"http://127.0.0.1:{port}/v2", f"http://127.0.0.1:{port}/hook"
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        await self._runner.cleanup()

    async def place_call(self, to: str) -> tuple[str, str]:
        """Ring and wait for the answer. Returns the call's ID and the media stream's URL."""
        call, _ = await self.ring(to)
        url, _ = await self._answers[call]
        await self._report("call.answered", call, to, state="answered")
        return call, url

    async def ring(self, to: str) -> tuple[str, float]:
        """Report a call and wait for the answer command. Returns the call's ID, and the time of the command by `perf_counter`."""
        call = f"v3:{uuid.uuid4()}"
        self._answers[call] = asyncio.get_running_loop().create_future()
        await self._report("call.initiated", call, to, direction="incoming", state="parked")
        async with asyncio.timeout(ANSWER_SECONDS):
            _, answered_at = await self._answers[call]
        return call, answered_at

    async def hang_up(self, call: str, to: str) -> None:
        await self._report("call.hangup", call, to, hangup_cause="normal_clearing", hangup_source="caller")

    async def _take_webhook(self, request: web.Request) -> web.Response:
        """The developer's server."""
        await request.read()
        return web.Response()

    async def _command(self, request: web.Request) -> web.Response:
        if request.match_info["command"] == "answer":
            answered_at, body = time.perf_counter(), await request.json()
            future = self._answers[request.match_info["call"]]
            if not future.done():
                future.set_result((body["stream_url"], answered_at))
        return web.json_response({"data": {"result": "ok"}})

    async def _report(self, event_type: str, call: str, to: str, **fields: Any) -> None:
        payload = {"call_control_id": call, "call_leg_id": call, "call_session_id": call, "client_state": None}
        event = {
            "record_type": "event",
            "event_type": event_type,
            "id": str(uuid.uuid4()),
            "occurred_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "payload": {**payload, "from": "+15551230000", "to": to, **fields},
        }
        body = orjson.dumps({"data": event, "meta": {"attempt": 1, "delivered_to": self.webhook_url}})
        timestamp = str(int(time.time()))
        signature = base64.b64encode(self._key.sign(timestamp.encode() + b"|" + body)).decode()
        headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}
        async with self._http.post(self.webhook_url, data=body, headers=headers) as response:
            response.raise_for_status()
