"""`/sandbox/ws/<call_id>?token=…`: a browser talks to an agent in JSON frames (templates/docs/sandbox.html)."""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from structlog.contextvars import bind_contextvars

from bubblyphone.core.audio import PCM16_16K, PCM16_24K, AudioFormat, make_transcoder
from calls.live import session_runner
from calls.live.database_threads import in_database
from calls.live.live_call import claim_media_token
from calls.session.pacing import Pacer, paced
from calls.session.transport import CallerFrame
from sandbox.services import answer
from sandbox.sockets import chat_socket
from sandbox.sockets.browser_connection import BrowserConnection, Receive, Send, read_frame, run_call
from sandbox.sockets.browser_observer import BrowserObserver

MAX_FRAME_KIBIBYTES = 128
# This many malformed frames within this many seconds each get an error response; one more ends the call as a flood.
TOLERATED_ERRORS, FLOOD_SECONDS = 50, 10.0
FLOODED = "Too many invalid frames. The call was ended."


class SandboxTransport(BrowserConnection):
    """The browser's connection as a media connection: 16 kHz in both directions for the session, 24 kHz to the browser."""

    audio_format: AudioFormat = PCM16_16K

    def __init__(self, receive: Receive, send: Send) -> None:
        super().__init__(receive, send)
        self._to_wire = make_transcoder(PCM16_16K, PCM16_24K)
        self._errors: deque[float] = deque(maxlen=TOLERATED_ERRORS)
        self._is_too_fast = False  # the last chunk was dropped

    def frames(self) -> AsyncIterator[CallerFrame]:
        return paced(self._pieces(), Pacer(PCM16_16K), self._too_fast)

    def _too_fast(self) -> None:
        self._is_too_fast = True

    async def _pieces(self) -> AsyncIterator[CallerFrame]:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.is_open = False
                return
            payload, problem = read_audio(message)
            if payload is not None:
                yield payload
                if self._is_too_fast:
                    self._is_too_fast, problem = False, "Audio was sent faster than real time."
            if problem:
                is_flood = self._is_flood()
                await self.send_json({"type": "error", "message": FLOODED if is_flood else problem})
                if is_flood:
                    return

    def _is_flood(self) -> bool:
        """Whether this malformed frame, which is counted here, exceeds the limit."""
        now = asyncio.get_running_loop().time()
        is_flood = len(self._errors) == TOLERATED_ERRORS and now - self._errors[0] < FLOOD_SECONDS
        self._errors.append(now)
        return is_flood

    async def send_audio(self, payload: str) -> None:
        wire = self._to_wire(payload) if self._to_wire else payload
        await self.send_json({"type": "audio", "data": wire, "sample_rate": PCM16_24K.sample_rate})

    async def send_mark(self, name: str) -> None:
        """A browser does not return marks: how much was heard is estimated by the clock."""

    async def clear(self) -> None:
        await self.send_json({"type": "clear"})


def read_audio(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """The audio of a client's frame, or the problem with it."""
    frame, problem = read_frame(message, MAX_FRAME_KIBIBYTES)
    if problem:
        return None, problem
    if not isinstance(frame, dict) or frame.get("type") != "audio":
        return None, 'Only frames of type "audio" are supported.'
    payload = frame.get("data")
    if not isinstance(payload, str) or not payload:
        return None, 'An audio frame must have its samples in "data".'
    try:
        base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return None, '"data" is not base64.'
    return payload, ""


async def sandbox_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One sandbox call, from the token to the `ended` frame."""
    await receive()  # websocket.connect
    token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    public_id = scope["url_route"]["kwargs"]["call_id"]
    call = await in_database(claim_media_token, token, public_id=public_id)
    if call is None:
        await send({"type": "websocket.close", "code": 4401})
        return
    await send({"type": "websocket.accept"})
    bind_contextvars(call_id=call.call_id, account_id=call.developer_id)
    await in_database(answer, call.call_id)
    transport = SandboxTransport(receive, send)
    if call.is_text:
        await chat_socket.converse(call, receive, send)
        return
    observer = BrowserObserver(call.call_id, transport)
    run = partial(session_runner.run_session, call, transport, observer=observer)
    cause = await run_call(call.call_id, run)
    await observer.finish()
    await transport.end(cause)
