"""Opens the WebSockets of all vendors. Failures become ProviderError."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from picows import WSError, WSInvalidStatusError, ws_connect
from python_socks import ProxyError

from agents.providers.base import Choice, ProviderError
from agents.providers.message_fields import child, parse_object, text
from agents.providers.model_socket import MAX_MESSAGE_BYTES, ModelSocket, ModelSocketClosed

CONNECT_TIMEOUT_SECONDS = 10.0
# A peer that disappears is noticed within 30 s: a ping after 15 s without data, and as long for its answer.
PING_SECONDS = 15.0
# Room for 80 ms of the largest format. The buffer grows for longer messages; by default it has 16 KiB from the start.
READ_BUFFER_BYTES = 6 * 1024
# Unsupported data, invalid payload, policy violation (RFC 6455 §7.4.1); unauthorized, forbidden (IANA registry).
REFUSAL_CODES = frozenset({1003, 1007, 1008, 3000, 3003})


@cache
def tls_context() -> ssl.SSLContext:
    """One context for all sessions, because reading the certificate store blocks the loop for tens of milliseconds."""
    return ssl.create_default_context()


def websocket_url(url: str) -> str:
    """The ws or wss URL for an http or https one."""
    scheme, separator, rest = url.partition("://")
    return {"http": "ws", "https": "wss"}.get(scheme, scheme) + separator + rest


def proxy_for(url: str) -> str | None:
    """The proxy for a ws or wss URL: HTTPS_PROXY, for ws also HTTP_PROXY; None for hosts in NO_PROXY."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    named = getproxies()
    schemes = ("wss", "socks", "https") if parts.scheme == "wss" else ("ws", "socks", "https", "http")
    proxy = next((named[scheme] for scheme in schemes if scheme in named), None)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


async def open_socket(url: str, headers: Mapping[str, str]) -> ModelSocket:
    """Connect to a ws or wss URL. Redirects are not followed, because the key in the headers is only for this server.

    Raises exceptions that `connecting` turns into ProviderError.
    """
    socket = ModelSocket()
    try:
        _, listener = await ws_connect(
            lambda request, response: socket,
            url,
            ssl_context=tls_context() if url.startswith("wss:") else None,
            websocket_handshake_timeout=CONNECT_TIMEOUT_SECONDS,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_SECONDS,
            auto_ping_reply_timeout=PING_SECONDS,
            max_frame_size=MAX_MESSAGE_BYTES,
            read_buffer_init_size=READ_BUFFER_BYTES,
            extra_headers=headers,
            max_redirects=0,
            proxy=proxy_for(url),
        )
    except BaseException:
        socket.abort()  # its handshake would continue although nobody waits for it
        raise
    if listener is not socket:  # the peer closed the connection before it answered, which picows does not report
        raise ModelSocketClosed
    return socket


@asynccontextmanager
async def connecting(vendor: str) -> AsyncIterator[None]:
    """Give the block 10 s to open and configure a session. Any failure in it becomes a ProviderError."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            yield
    except WSInvalidStatusError as error:
        status = int(error.response.status) if error.response else 0
        message = (
            f"{vendor} rejected the session with status {status}. {_vendor_message(error.raw_body or b'')}".strip()
        )
        raise ProviderError(message, retryable=status in (408, 429) or status >= 500) from error
    except ModelSocketClosed as error:
        is_refusal = error.code in REFUSAL_CODES or error.reason.startswith("invalid_request_error")
        refused = refused_choice(error.reason) if is_refusal else None
        raise ProviderError(closed_message(vendor, error), retryable=not is_refusal, refused=refused) from error
    except TimeoutError as error:
        raise ProviderError(f"{vendor} did not respond in time.", retryable=True) from error
    except (OSError, WSError, ProxyError) as error:
        raise ProviderError(f"{vendor} could not be reached.", retryable=True) from error


def refused_choice(reason: str) -> Choice | None:
    """The setting that a vendor's refusal of a session mentions, if any."""
    choices: tuple[Choice, ...] = ("voice", "language")
    return next((choice for choice in choices if choice in reason.lower()), None)


def closed_message(vendor: str, error: ModelSocketClosed) -> str:
    """Why the vendor closed the connection, with the vendor's reason if there is one."""
    if error.code is None:
        return f"The connection to {vendor} was lost."
    return f"{vendor} closed the session ({error.code}). {error.reason}".strip()


def _vendor_message(body: bytes) -> str:
    """The message in the vendor's JSON response; OpenAI and Google use the same format."""
    return text(child(parse_object(body) or {}, "error"), "message")
