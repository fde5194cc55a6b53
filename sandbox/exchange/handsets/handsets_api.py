"""Scripted handsets for other processes, such as `manage.py dial`. Each exists as long as its request.

`POST /handsets/dial` places a call: `{"to": "+1…", "from": "+1…", "steps": [...], "max_seconds": 60}`, with steps as in
`sandbox.exchange.handsets.steps`, and seconds counted from the answer. `POST /handsets/wait` receives a call: `{"number": "+1…",
"on_ring": "answer", "ring_seconds": 1, "answerer": "human", "wait_seconds": 60}`, with the same `steps` and `max_seconds`.

Both respond with JSON lines: events, `{"at_seconds", "kind", "detail"}`, and finally
`{"kind": "result", "cause", "error", "digits", "recording"}` with a stereo WAV (this handset left, the other party right) in base64.
`cause` is empty if nobody called.

`POST /handsets/break-stream` injects a fault: a media connection breaks.
"""

import asyncio
import base64
import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from agents.speech import SpeechError
from sandbox.exchange import errors
from sandbox.exchange.handsets.scripted import HandsetEvent, ScriptedHandset
from sandbox.exchange.handsets.steps import parse_steps
from sandbox.exchange.http import read_json
from sandbox.exchange.switch import Switch
from sandbox.exchange.validation import Field, Schema, validate

logger = logging.getLogger(__name__)

_SCRIPT: Schema = {"steps": Field(list), "max_seconds": Field(int, minimum=1, maximum=3600)}
DIAL: Schema = _SCRIPT | {"to": Field(required=True, form="e164"), "from": Field(required=True, form="e164")}
WAIT: Schema = _SCRIPT | {
    "number": Field(required=True, form="e164"),
    "on_ring": Field(choices=("answer", "busy", "decline", "ignore")),
    "ring_seconds": Field(int, minimum=0, maximum=600),
    "answerer": Field(choices=("human", "machine", "fax", "silence")),
    "wait_seconds": Field(int, minimum=1, maximum=3600),
}
DEFAULT_MAX_SECONDS = DEFAULT_WAIT_SECONDS = 60
DEFAULT_RING_SECONDS = 1


class HandsetsApi:
    """Controls scripted handsets over HTTP."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/handsets/dial", self.dial),
            web.post("/handsets/wait", self.wait),
            web.post("/handsets/break-stream", self.break_stream),
        ]

    async def break_stream(self, request: web.Request) -> web.Response:
        """Break a call's media connection like a network failure: `{"call_control_id": "v3:…"}`, or Twilio's `CA…`."""
        body = validate(await read_json(request), {"call_control_id": Field(required=True)})
        stream = self._switch.live_leg(body["call_control_id"]).stream
        if stream is not None:
            await stream.abort()
        return web.json_response({"data": {"result": "ok"}})

    async def dial(self, request: web.Request) -> web.StreamResponse:
        body = validate(await read_json(request), DIAL)
        script = _Script(await self._handset(body["from"], body), body)
        return await script.run(request, lambda: self._switch.call(script.handset, body["to"]))

    async def wait(self, request: web.Request) -> web.StreamResponse:
        body = validate(await read_json(request), WAIT)
        script = _Script(await self._handset(body["number"], body), body)
        if body["number"] in self._switch.handsets:
            raise errors.invalid("/number", "Another phone has this number.")

        def plug_in() -> None:
            self._switch.attach(script.handset)
            script.handset.note("waiting", body["number"])

        try:
            return await script.run(request, plug_in)
        finally:
            self._switch.detach(script.handset)

    async def _handset(self, number: str, body: dict[str, Any]) -> ScriptedHandset:
        """A handset whose speech is ready. Raises ApiError."""
        try:
            handset = ScriptedHandset(
                number,
                parse_steps(body.get("steps") or []),
                tasks=self._switch.context.tasks,
                on_ring=body.get("on_ring") or "answer",
                ring_seconds=body.get("ring_seconds", DEFAULT_RING_SECONDS),
                answerer=body.get("answerer") or "human",
                tts=self._switch.context.tts,
            )
            await handset.prepare()
        except (ValueError, RuntimeError, SpeechError) as error:
            raise errors.invalid("/steps", str(error)) from error
        return handset


class _Script:
    """The handset of one request and its events."""

    def __init__(self, handset: ScriptedHandset, body: dict[str, Any]) -> None:
        self.handset = handset
        self._max_seconds = body.get("max_seconds") or DEFAULT_MAX_SECONDS
        self._wait_seconds = body.get("wait_seconds") or DEFAULT_WAIT_SECONDS
        self._events: asyncio.Queue[HandsetEvent] = asyncio.Queue()
        handset.on_event = self._events.put_nowait

    async def run(self, request: web.Request, begin: Callable[[], object]) -> web.StreamResponse:
        """Stream one call's events and its result."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            begin()
            await self._tell(response)
            await response.write_eof()
        except ConnectionResetError:
            logger.info("the client that ran a script is gone")
        finally:
            # Also if the client has disconnected.
            self.handset.hang_up()
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while (event := await self._events.get()).kind == "waiting":
                    await response.write(_line(dataclasses.asdict(event)))
        except TimeoutError:
            await response.write(self._result(f"Nobody called within {self._wait_seconds} s."))
            return
        while True:
            await response.write(_line(dataclasses.asdict(event)))
            if event.kind == "ended":
                break
            if event.kind == "answered":
                asyncio.get_running_loop().call_later(self._max_seconds, self.handset.hang_up)
            event = await self._events.get()
        await response.write(self._result(str(self.handset.error or "")))

    def _result(self, error: str) -> bytes:
        return _line(
            {
                "kind": "result",
                "cause": self.handset.cause,
                "error": error,
                "digits": self.handset.digits,
                "recording": base64.b64encode(self.handset.recording()).decode(),
            }
        )


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"
