"""Scripted handsets for other processes: `POST /handsets/dial` places a call and streams what happens as JSON lines.

Body: `{"to": "+1…", "from": "+1…", "steps": [...], "max_seconds": 60}`, the steps as in `sandbox.exchange.steps`; the
seconds are counted from the answer.
Every line of the answer is an event, `{"at_seconds", "kind", "detail"}`; the last one
is `{"kind": "result", "cause", "error", "digits", "recording"}` with the stereo WAV (caller left, agent right) in
base64.

`POST /handsets/break-stream` is a fault to test by: a media connection breaks.
"""

import asyncio
import base64
import dataclasses
import logging
from typing import Any

import orjson
from aiohttp import web

from sandbox.exchange import errors
from sandbox.exchange.http import read_json
from sandbox.exchange.scripted import HandsetEvent, ScriptedHandset
from sandbox.exchange.steps import parse_steps
from sandbox.exchange.switch import Switch
from sandbox.exchange.validation import Field, validate

logger = logging.getLogger(__name__)

SCHEMA = {
    "to": Field(required=True, form="e164"),
    "from": Field(required=True, form="e164"),
    "steps": Field(list),
    "max_seconds": Field(int, minimum=1, maximum=3600),
}
DEFAULT_MAX_SECONDS = 60


class HandsetsApi:
    """Control of scripted handsets over HTTP."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/handsets/dial", self.dial), web.post("/handsets/break-stream", self.break_stream)]

    async def break_stream(self, request: web.Request) -> web.Response:
        """Let a call's media connection break, as a fault of the network would: `{"call_control_id": "v3:…"}`."""
        body = validate(await read_json(request), {"call_control_id": Field(required=True)})
        stream = self._switch.live_leg(body["call_control_id"]).stream
        if stream is not None:
            await stream.abort()
        return web.json_response({"data": {"result": "ok"}})

    async def dial(self, request: web.Request) -> web.StreamResponse:
        body = validate(await read_json(request), SCHEMA)
        try:
            steps = parse_steps(body.get("steps") or [])
        except ValueError as error:
            raise errors.invalid("/steps", str(error)) from error
        lines: asyncio.Queue[HandsetEvent] = asyncio.Queue()
        handset = ScriptedHandset(
            body["from"],
            steps,
            tasks=self._switch.plant.tasks,
            speaker=self._switch.plant.speaker,
            on_event=lines.put_nowait,
        )
        try:
            await handset.prepare()
        except RuntimeError as error:
            raise errors.invalid("/steps", str(error)) from error
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        self._switch.call(handset, body["to"])
        try:
            await _relay(handset, lines, response, body.get("max_seconds") or DEFAULT_MAX_SECONDS)
            await response.write_eof()
        except ConnectionResetError:
            logger.info("the one who had a script dialled is gone")
        finally:
            # Also when the one who asked has gone away.
            handset.hang_up()
        return response


async def _relay(
    handset: ScriptedHandset, lines: asyncio.Queue[HandsetEvent], response: web.StreamResponse, max_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        event = await lines.get()
        await response.write(_line(dataclasses.asdict(event)))
        if event.kind == "answered":
            loop.call_later(max_seconds, handset.hang_up)
        if event.kind == "ended":
            break
    result = {
        "kind": "result",
        "cause": handset.cause,
        "error": str(handset.error or ""),
        "digits": handset.digits,
        "recording": base64.b64encode(handset.recording()).decode(),
    }
    await response.write(_line(result))


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"
