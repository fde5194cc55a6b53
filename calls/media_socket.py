"""`/media/<token>`: where the carrier brings a call's audio. Plain ASGI with a receive loop of its own (media-path, advice 1).

Behind Channels' consumers every frame would cost a hop to a thread; here nothing between the socket and the session does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from agents.providers.base import ProviderError
from calls import live
from calls.models import HangupCause
from calls.transport import CarrierTransport, StreamNotStarted
from phone_numbers.carriers.registry import get_carrier

logger = logging.getLogger(__name__)
START_TIMEOUT_SECONDS = 10.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
# Sessions outlive the socket by the moments it takes to end their call.
_endings: set[asyncio.Task[None]] = set()


async def media_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One call's media connection, from the token to the end of its conversation."""
    await receive()  # websocket.connect
    call = await live.in_database(live.claim_media_token, scope["url_route"]["kwargs"]["token"])
    if call is None:
        await send({"type": "websocket.close", "code": 4401})
        return
    await send({"type": "websocket.accept"})
    transport = CarrierTransport(get_carrier().media_codec, receive, send)
    cause = await _converse(call, transport)
    ending = asyncio.create_task(live.after_session(call.call_id, cause))
    _endings.add(ending)
    ending.add_done_callback(_endings.discard)
    if cause:
        await asyncio.shield(ending)  # the carrier is told to hang up before its stream is closed
    await transport.close()


async def _converse(call: live.LiveCall, transport: CarrierTransport) -> str:
    try:
        await asyncio.wait_for(transport.wait_for_start(), START_TIMEOUT_SECONDS)
        return await live.hold(call, transport)
    except (StreamNotStarted, TimeoutError):
        return HangupCause.CARRIER_FAILED
    except ProviderError:
        logger.exception("The model of a call could not be used.", extra={"call_id": call.call_id})
        return HangupCause.MODEL_FAILED
    except Exception:
        # A defect of ours must not leave a caller on a dead line.
        logger.exception("A call's session broke.", extra={"call_id": call.call_id})
        return HangupCause.MODEL_FAILED
