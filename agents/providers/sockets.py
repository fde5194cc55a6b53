"""Common to all vendors' WebSockets: limits, TLS, and failures as ProviderError."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from agents.providers.base import Choice, ProviderError
from bubblyphone.core.json_documents import InvalidJSON, parse_foreign_json

CONNECT_TIMEOUT_SECONDS = 10.0
# A peer that disappears is noticed within 30 s. One that ignores our close delays a call by 1 s.
SOCKET_OPTIONS: Mapping[str, Any] = {
    "compression": None,
    "max_size": 4 * 1024 * 1024,
    "open_timeout": CONNECT_TIMEOUT_SECONDS,
    "ping_interval": 15,
    "ping_timeout": 15,
    "close_timeout": 1,
}
# Unsupported data, invalid payload, policy violation (RFC 6455 §7.4.1); unauthorized, forbidden (IANA registry).
REFUSAL_CODES = frozenset({1003, 1007, 1008, 3000, 3003})


@cache
def _tls_context() -> ssl.SSLContext:
    """One for all sessions: reading the certificate store takes tens of milliseconds of the loop."""
    return ssl.create_default_context()


def socket_options(url: str) -> dict[str, Any]:
    """The keyword arguments of `websockets.connect` for an http(s) or ws(s) URL."""
    is_secure = url.startswith(("https:", "wss:"))
    return {**SOCKET_OPTIONS, **({"ssl": _tls_context()} if is_secure else {})}


@asynccontextmanager
async def connecting(vendor: str) -> AsyncIterator[None]:
    """Give the block 10 s to open and configure a session. Any failure in it becomes a ProviderError."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            yield
    except InvalidStatus as error:
        status = error.response.status_code
        message = f"{vendor} rejected the session with status {status}. {_vendor_message(error.response.body)}".strip()
        raise ProviderError(message, retryable=status in (408, 429) or status >= 500) from error
    except ConnectionClosed as error:
        closed = error.rcvd
        is_refusal = closed is not None and (
            closed.code in REFUSAL_CODES or closed.reason.startswith("invalid_request_error")
        )
        refused = refused_choice(closed.reason) if closed is not None and is_refusal else None
        raise ProviderError(closed_message(vendor, error), retryable=not is_refusal, refused=refused) from error
    except TimeoutError as error:
        raise ProviderError(f"{vendor} did not respond in time.", retryable=True) from error
    except (OSError, WebSocketException) as error:
        raise ProviderError(f"{vendor} could not be reached.", retryable=True) from error


def refused_choice(reason: str) -> Choice | None:
    """The choice that a vendor's refusal of a session is about, if it is about one."""
    choices: tuple[Choice, ...] = ("voice", "language")
    return next((choice for choice in choices if choice in reason.lower()), None)


def closed_message(vendor: str, error: ConnectionClosed) -> str:
    """Why the vendor closed the connection, in its own words if it gave any."""
    if error.rcvd is None:
        return f"The connection to {vendor} was lost."
    return f"{vendor} closed the session ({error.rcvd.code}). {error.rcvd.reason}".strip()


def parse_object(frame: str | bytes) -> dict[str, Any] | None:
    """The JSON object in a frame; None for anything else, which is ignored."""
    try:
        value = parse_foreign_json(frame)
    except InvalidJSON:
        return None
    return value if isinstance(value, dict) else None


def child(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def text(value: Mapping[str, Any], key: str) -> str:
    """The string at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def items(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of the list at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _vendor_message(body: bytes) -> str:
    """The message in the vendor's JSON answer, as OpenAI and Google both shape it."""
    return text(child(parse_object(body) or {}, "error"), "message")
