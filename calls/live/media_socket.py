"""`/media/<token>` and `/media/<node>/<token>`: the carrier's media streams.

Plain ASGI with its own receive loop. With Channels' consumers every frame would cost a thread switch; here nothing is between the socket
and the session. A session has its own task, because it can outlive its socket: the carrier then reconnects.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone
from structlog.contextvars import bind_contextvars

from agents.providers.base import ProviderError
from bubblyphone.server import daphne_websocket
from calls.control import streams
from calls.live import live_sessions, session_runner
from calls.live.database_threads import in_database
from calls.live.live_call import LiveCall, claim_media_token
from calls.models import HangupCause
from calls.session.line import END_REPORT_SECONDS, CarrierLine
from calls.session.transport import CarrierTransport, StreamNotStarted
from phone_numbers.carriers.registry import media_protocol_of

logger = logging.getLogger(__name__)
START_TIMEOUT_SECONDS = 10.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_lines: dict[int, CarrierLine] = {}  # call → the line of its session in this process
_sessions: set[asyncio.Task[None]] = set()


async def media_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A media connection, from its token to its end."""
    await receive()  # websocket.connect
    call = None
    if not live_sessions.is_draining():
        call = await in_database(claim_media_token, scope["url_route"]["kwargs"]["token"])
    if call is None:
        await send({"type": "websocket.close", "code": 4401})
        return
    await send({"type": "websocket.accept"})
    transport = CarrierTransport(media_protocol_of(call.carrier), receive, send, daphne_websocket.direct_send(send))
    daphne_websocket.take_directly(send, transport.take)
    try:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            await transport.wait_for_start()
    except (StreamNotStarted, TimeoutError):
        await in_database(streams.mark_streams_lost, [call.call_id], streams.CONNECTION_LOST)
        await transport.close()
        return
    line = _lines.get(call.call_id)
    if line is None or not line.attach(transport):
        session = asyncio.create_task(hold_line(call, transport))
        _sessions.add(session)
        session.add_done_callback(_sessions.discard)
    await transport.left.wait()
    await transport.close()


async def hold_line(call: LiveCall, transport: CarrierTransport) -> None:
    """The session of a call on this connection and the following ones."""
    call_id = call.call_id
    bind_contextvars(call_id=call_id, account_id=call.developer_id)

    async def restart() -> bool:
        broke_at = timezone.now() - timedelta(seconds=END_REPORT_SECONDS)
        return await in_database(streams.restart, call_id, since=broke_at, reason=streams.CONNECTION_LOST)

    _lines[call_id] = line = CarrierLine(transport, restart)
    ending: list[asyncio.Task[None]] = []

    async def on_end(cause: str) -> None:
        ending.append(asyncio.create_task(session_runner.after_session(call_id, cause)))
        if cause:
            await ending[0]  # the carrier gets the command to hang up before its stream is closed
        leave()

    def leave() -> None:
        if _lines.get(call_id) is line:
            del _lines[call_id]
        line.leave()

    try:
        cause = await _converse(call, line, on_end)
    finally:
        leave()
    await (ending[0] if ending else session_runner.after_session(call_id, cause))


async def _converse(call: LiveCall, line: CarrierLine, on_end: session_runner.OnEnd) -> str:
    try:
        return await session_runner.run_session(call, line, on_end)
    except ProviderError:
        logger.exception("The model of a call is not available")
    except Exception:
        # A bug must not leave a caller on a dead line.
        logger.exception("A call's session failed")
    return HangupCause.MODEL_FAILED
