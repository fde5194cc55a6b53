"""`/live/ws/<call>`: a call's page listens to the running call and can take it over (static/js/live.js).

The socket and the session can be in different processes; they communicate through the channel layer (`calls.live.attendance`). Frames to
the page are JSON text, or audio: a byte for the side (0 caller, 1 agent), a byte for the rate in kHz, PCM16. Frames from the page are
JSON text, or 16 kHz PCM16 from its microphone.
"""

import asyncio
import base64
import contextlib
import logging
import struct
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson
from channels.layers import get_channel_layer
from django.db import DatabaseError
from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars

from accounts.models import Developer
from accounts.page_sockets import developer_of, is_same_origin, is_still_signed_in
from bubblyphone.core.audio import DECODERS, PCM16_16K
from bubblyphone.core.errors import NotFound
from bubblyphone.core.json.documents import InvalidJSON, parse_json
from calls import selectors
from calls.control import session_messages
from calls.control.session_messages import (
    GiveBack,
    Listen,
    SessionAnswer,
    SessionMessage,
    StopListening,
    TakeOverCall,
    listeners_group,
    microphone_group,
)
from calls.live.database_threads import in_thread_of
from calls.models import Call, CallStatus
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
CLOSE_NOT_ALLOWED, CLOSE_NOT_FOUND, CLOSE_SIGNED_OUT, CLOSE_TOO_SLOW = 4403, 4404, 4401, 4408
CLOSE_UNREACHABLE = 1013  # try again later
# Of one account, in one process. Each may keep a thread waiting.
MOST_PAGES = 20
# How often the session learns that the page still listens, and the database is asked whether it may.
RENEW_SECONDS = 4.0
# A call that moves to another process arrives there within this time.
MOVING_SECONDS = 30.0
RETRY_SECONDS = 0.5
# The page acknowledges pieces. If it is this many pieces behind (of about 25 per second and side), it would hear the past.
MOST_BEHIND = 200
# A microphone piece is 20 ms; a busy page may send several at once. Bytes.
LONGEST_PIECE = 200 * PCM16_16K.bytes_per_ms
MOST_BYTES_PER_SECOND = 3 * 1000 * PCM16_16K.bytes_per_ms
# A piece that cannot be sent by then is lost; the channel layer itself would wait forever.
SEND_SECONDS = 1.0
# Unanswered messages before the page learns that the session has ended: a slow database delays answers.
MOST_MISSING = 2
CALLER, AGENT = 0, 1
open_pages: Counter[int] = Counter()  # by account
_threads = ThreadPoolExecutor(8, thread_name_prefix="live-page")

R = TypeVar("R")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def live_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One page that follows a call. Wrapped in Channels' session authentication."""
    await receive()  # websocket.connect
    developer = developer_of(scope)
    if developer is None or not is_same_origin(scope):
        await send({"type": "websocket.close", "code": CLOSE_NOT_ALLOWED})
        return
    call_id = await _in_thread(_running_call, developer, scope["url_route"]["kwargs"]["identifier"])
    if call_id is None:
        await send({"type": "websocket.close", "code": CLOSE_NOT_FOUND})
        return
    await send({"type": "websocket.accept"})
    bind_contextvars(call_id=call_id, account_id=developer.pk)
    page = LivePage(call_id, developer, scope["session"].session_key, receive, send)
    open_pages[developer.pk] += 1
    try:
        code = await page.run()
    finally:
        open_pages[developer.pk] -= 1
        if not open_pages[developer.pk]:
            del open_pages[developer.pk]
    if page.is_open:
        with contextlib.suppress(OSError, RuntimeError):
            await send({"type": "websocket.close", "code": code})


def _running_call(developer: Developer, identifier: str) -> int | None:
    """The id of the developer's call, if it can have a session with audio."""
    try:
        call = selectors.get_call(developer, identifier)
    except NotFound:
        return None
    return call.pk if can_be_followed(call) else None


def can_be_followed(call: Call) -> bool:
    """Whether its audio currently passes through us."""
    is_spoken = call.mode == CallMode.STREAMING and not call.is_text
    return is_spoken and call.status == CallStatus.ANSWERED and call.transferred_at is None


def _is_running(call_id: int) -> bool:
    call = Call.objects.filter(pk=call_id).first()
    return call is not None and can_be_followed(call)


async def _in_thread(function: Callable[..., R], *arguments: Any) -> R:
    return await in_thread_of(_threads, function, *arguments)


class LivePage:
    """A page's connection. `run` returns its close code."""

    def __init__(self, call_id: int, developer: Developer, session_key: str, receive: Receive, send: Send) -> None:
        self._call_id = call_id
        self._developer_id = developer.pk
        self._name = developer.email
        self._session_key = session_key
        self._receive = receive
        self._send = send
        self._id = uuid.uuid4().hex
        self._has_call = self._has_left = False  # the session left
        self._sent = self._counted = 0  # pieces of audio: sent, and acknowledged
        self._allowance, self._allowed_at = float(MOST_BYTES_PER_SECOND), time.monotonic()
        self._renew = asyncio.Event()  # the session may be elsewhere, or the call over
        self._reason = "connection_lost"  # for the timeline, if the page leaves while it has the call
        self.is_open = True

    async def run(self) -> int:
        """Runs until the page leaves, the call ends, or the page may no longer listen."""
        if open_pages[self._developer_id] > MOST_PAGES:
            await self._write({"type": "refused", "message": f"{MOST_PAGES} pages are already listening to calls."})
            return 1000
        layer = get_channel_layer()
        try:
            channel = await layer.new_channel()
            await layer.group_add(listeners_group(self._call_id), channel)
        except (OSError, RedisError):
            return CLOSE_UNREACHABLE
        tasks = [asyncio.create_task(work) for work in (self._read(), self._show(channel), self._stay())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()
            with contextlib.suppress(OSError, RedisError):
                await layer.group_discard(listeners_group(self._call_id), channel)

    async def _leave(self) -> None:
        if self._has_call:
            await self._tell(GiveBack(self._id, self._reason))
        await self._tell(StopListening(self._id))

    # --- from the page ------------------------------------------------------------------------------------------------

    async def _read(self) -> int:
        while (message := await self._receive())["type"] == "websocket.receive":
            if piece := message.get("bytes"):
                await self._speak(piece)
            elif text := message.get("text"):
                await self._handle_control(text)
        self.is_open = False
        return 1000

    async def _speak(self, piece: bytes) -> None:
        """Audio faster than real time is dropped."""
        now = time.monotonic()
        self._allowance += (now - self._allowed_at) * MOST_BYTES_PER_SECOND
        self._allowance, self._allowed_at = min(self._allowance, MOST_BYTES_PER_SECOND), now
        if not self._has_call or len(piece) > LONGEST_PIECE or len(piece) > self._allowance:
            return
        self._allowance -= len(piece)
        payload = base64.b64encode(piece[: len(piece) // 2 * 2]).decode()
        with contextlib.suppress(OSError, RedisError):
            async with asyncio.timeout(SEND_SECONDS):
                await get_channel_layer().group_send(
                    microphone_group(self._call_id), {"type": "piece", "listener": self._id, "payload": payload}
                )

    async def _handle_control(self, text: str) -> None:
        try:
            frame = parse_json(text) if len(text) < 1000 else None
        except InvalidJSON:
            frame = None
        match frame:
            case {"type": "heard", "count": int(count)}:
                self._counted = max(self._counted, min(count, self._sent))
            case {"type": "take_over"}:
                answer = await self._ask(TakeOverCall(self._id, self._name))
                if not answer.is_done:
                    why = answer.reason or "The call is not connected right now. Try again in a moment."
                    await self._write({"type": "refused", "message": why})
            case {"type": "give_back"}:
                await self._tell(GiveBack(self._id, "returned"))
            case _:
                await self._write({"type": "error", "message": "This frame is not supported."})

    # --- to the page --------------------------------------------------------------------------------------------------

    async def _show(self, channel: str) -> int:
        layer = get_channel_layer()
        while True:
            message = await layer.receive(channel)
            match message["type"]:
                case "audio":
                    await self._play(message)
                    if self._sent - self._counted > MOST_BEHIND:
                        logger.info("A listening page is too slow", extra={"call_id": self._call_id})
                        return CLOSE_TOO_SLOW
                case "taken_over" | "given_back":
                    is_own = message["listener"] == self._id
                    self._has_call = is_own and message["type"] == "taken_over"
                    about = {name: message[name] for name in ("type", "by", "reason") if name in message}
                    await self._write({**about, "own": is_own})
                case "left":
                    self._has_left = True
                    self._renew.set()

    async def _play(self, message: Mapping[str, Any]) -> None:
        decode = DECODERS[message["encoding"]]
        for side, name in ((CALLER, "caller"), (AGENT, "agent")):
            # Nobody wants to hear their own voice with a delay.
            if message[name] and not (self._has_call and side == AGENT):
                header = struct.pack("BB", side, message["sample_rate"] // 1000)
                self._sent += 1
                await self._send({"type": "websocket.send", "bytes": header + decode(message[name])})

    async def _write(self, frame: Mapping[str, Any]) -> None:
        await self._send({"type": "websocket.send", "text": orjson.dumps(frame).decode()})

    # --- as long as it may --------------------------------------------------------------------------------------------

    async def _stay(self) -> int:
        """Renew the subscription periodically."""
        is_connected, missing_since, missing = False, time.monotonic(), 0
        while True:
            if not await self._may_stay():
                self._reason = "signed_out"
                return CLOSE_SIGNED_OUT
            answer = await self._ask(Listen(self._id, self._name))
            if answer.is_done:
                if not is_connected:
                    await self._write({"type": "listening"})
                is_connected, missing_since, missing, self._has_left = True, time.monotonic(), 0, False
                await self._wait(RENEW_SECONDS)
                continue
            if answer.reason:
                await self._write({"type": "refused", "message": answer.reason})
                return 1000
            if await self._is_over() or time.monotonic() - missing_since >= MOVING_SECONDS:
                await self._write({"type": "ended"})
                return 1000
            missing += 1
            if self._has_left or missing >= MOST_MISSING:
                is_connected, self._has_call, self._has_left = False, False, False
                await self._write({"type": "waiting"})
            await asyncio.sleep(RETRY_SECONDS)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._renew.wait()
        self._renew.clear()

    async def _may_stay(self) -> bool:
        try:
            return await _in_thread(is_still_signed_in, self._session_key, self._developer_id)
        except DatabaseError:  # the call continues without it, and so does listening
            return True

    async def _is_over(self) -> bool:
        try:
            return not await _in_thread(_is_running, self._call_id)
        except DatabaseError:
            return False

    async def _ask(self, message: SessionMessage) -> SessionAnswer:
        return await _in_thread(session_messages.ask, self._call_id, message)

    async def _tell(self, message: SessionMessage) -> None:
        with contextlib.suppress(OSError, RedisError):
            await _in_thread(session_messages.tell_session, self._call_id, message)
