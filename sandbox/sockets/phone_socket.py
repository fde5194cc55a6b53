"""`/phone/ws`: the browser's handset, connected to the built-in exchange.

The browser speaks the exchange's handset protocol (sandbox.exchange) except `register`: this module decides which number a handset has,
so that nobody can answer another developer's calls. Audio passes through unchanged.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from accounts.page_sockets import developer_of, is_same_origin, until_signed_out
from bubblyphone.core.json.documents import InvalidJSON, parse_json
from sandbox.handset_numbers import handset_number

logger = logging.getLogger(__name__)
CONNECT_SECONDS = 5.0
# Two seconds of audio: a page may collect audio before it sends. Commands are shorter.
MAX_FRAME_BYTES = 64_000
CLOSE_NOT_ALLOWED, CLOSE_EXCHANGE_LOST = 4403, 4502
CLOSE_TAKEN_OVER = 4001  # the exchange's code: another window has registered the same number

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def phone_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A browser handset, until the user leaves the page. Wrapped in Channels' session authentication."""
    await receive()  # websocket.connect
    developer = developer_of(scope)
    if not settings.EXCHANGE_URL or developer is None or not is_same_origin(scope):
        await send({"type": "websocket.close", "code": CLOSE_NOT_ALLOWED})
        return
    await send({"type": "websocket.accept"})
    code = CLOSE_EXCHANGE_LOST
    try:
        async with connect(
            exchange_address(), compression=None, proxy=None, open_timeout=CONNECT_SECONDS, max_size=MAX_FRAME_BYTES
        ) as exchange:
            number = await database_sync_to_async(handset_number)(developer)
            await exchange.send(orjson.dumps({"type": "register", "number": number}).decode())
            signed_out = asyncio.create_task(until_signed_out(scope["session"].session_key, developer.pk))
            await _connect_through(exchange, receive, send, signed_out)
        if signed_out.done() and not signed_out.cancelled():
            code = CLOSE_NOT_ALLOWED
        elif exchange.close_code == CLOSE_TAKEN_OVER:
            code = CLOSE_TAKEN_OVER
    except (OSError, TimeoutError, WebSocketException):
        logger.warning("A browser phone could not reach the built-in exchange")
    with contextlib.suppress(OSError, RuntimeError):  # the browser may already be gone
        await send({"type": "websocket.close", "code": code})


def exchange_address() -> str:
    """The exchange's handset URL, including its key."""
    options: Any = settings.CARRIERS["exchange"]["OPTIONS"]
    base = settings.EXCHANGE_URL.replace("http", "ws", 1)
    return f"{base}/handset?{urlencode({'token': options['api_key']})}"


async def _connect_through(
    exchange: ClientConnection, receive: Receive, send: Send, signed_out: asyncio.Task[None]
) -> None:
    """Forward frames both ways until one end disconnects, or the user is signed out."""
    ways = [asyncio.create_task(_to_exchange(exchange, receive)), asyncio.create_task(_to_browser(exchange, send))]
    pumps = [*ways, signed_out]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _to_exchange(exchange: ClientConnection, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        frame = message.get("bytes") or message.get("text") or ""
        if len(frame) > MAX_FRAME_BYTES or (isinstance(frame, str) and not is_command(frame)):
            continue
        try:
            await exchange.send(frame)
        except ConnectionClosed:
            return


def is_command(text: str) -> bool:
    """Whether a text frame may go to the exchange: a JSON object that is not a registration."""
    try:
        frame = parse_json(text)
    except InvalidJSON:
        return False
    return isinstance(frame, dict) and frame.get("type") != "register"


async def _to_browser(exchange: ClientConnection, send: Send) -> None:
    async for frame in exchange:
        await send({"type": "websocket.send", "text" if isinstance(frame, str) else "bytes": frame})
