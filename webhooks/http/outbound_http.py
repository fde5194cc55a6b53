"""Requests to URLs provided by developers: never into our own network, at most 10 s, at most 64 KB of a response.

An address is checked when it is configured (`validate_webhook_url`) and again at every connection, with current DNS results; the
connection uses exactly the checked address. Used by the dispatcher and by live calls.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx2
import idna
import yarl
from django.conf import settings
from django.core.exceptions import ValidationError

from bubblyphone.core.monitoring import tracing
from bubblyphone.core.network.waiting import before_waiting
from webhooks.http import response_text
from webhooks.http.guarded_connections import (
    AddressRefused,
    BodyInvalid,
    GuardedConnector,
    Resolver,
    is_address,
    look_up,
    lookup_threads,
    resolve,
)
from webhooks.http.public_addresses import is_public

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_HEADER_BYTES = 64 * 1024  # of a response, each
MAX_URL_LENGTH = 2000
# For TCP and TLS, over any of the host's addresses. Leaves time for one more try.
CONNECT_TIMEOUT_SECONDS = 5.0
CONFIGURATION_LOOKUP_SECONDS = 3.0
# The part of RFC 3986's authority that webhook URLs can have: a name or a bracketed address, and a port in ASCII digits.
_AUTHORITY = re.compile(
    r"[a-z]+://(?:\[[0-9a-f:.]+\]|[^\[\]:@/?#]+)(?::[0-9]{0,5})?(?:[/?#].*)?", re.ASCII | re.IGNORECASE
)
# RFC 1035, section 2.3.4, for the lengths. Underscores are not allowed in host names, but some have them.
MAX_HOST_LENGTH = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Resolvers and browsers read a name that ends like this as an IPv4 address, in forms that others do not know.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Errors before anything of a request was sent.
NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class DownloadFailed(Exception):
    """A file could not be fetched. The message is shown to people."""


@dataclass(frozen=True, slots=True)
class PostResult:
    """The result of one POST. `status` is None without a response; `error` is None if the request itself succeeded."""

    status: int | None
    body: str
    latency_ms: int
    error: str | None
    is_whole: bool = True  # False: the body is longer than the part that was read
    is_final: bool = False  # retrying would fail again
    is_timeout: bool = False
    is_unsent: bool = False  # no connection was made

    @property
    def is_success(self) -> bool:
        return self.error is None and self.status is not None and 200 <= self.status < 300


# --- at configuration -------------------------------------------------------------------------------------------------
def validate_webhook_url(url: str) -> None:
    """Raises Django's ValidationError, with a message for the developer, for a URL that webhooks cannot be sent to.

    Usable as a validator of DRF and form fields. A name that DNS does not know yet passes: each connection checks again.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ValidationError(f"The URL must have at most {MAX_URL_LENGTH} characters.")
    parsed = _parse_url(url)
    if settings.ALLOW_PRIVATE_WEBHOOKS:
        return
    if not all(is_public(ip_address(address)) for address in _addresses_now(parsed)):
        raise ValidationError("The URL must point to a public address.")


def _addresses_now(url: httpx2.URL) -> list[str]:
    """The host's current addresses; empty if DNS has none or does not respond."""
    host = url.raw_host.decode("ascii")
    if is_address(host):
        return [host]
    if f".{host.lower().rstrip('.')}".endswith(".localhost"):
        return ["127.0.0.1"]  # whatever DNS says: RFC 6761, section 6.3
    before_waiting()
    lookup = lookup_threads().submit(look_up, host, _port_of(url))
    try:
        return lookup.result(CONFIGURATION_LOOKUP_SECONDS)
    except (OSError, UnicodeError, TimeoutError):
        return []


def _parse_url(url: str) -> httpx2.URL:
    """Raises ValidationError, with the reason, unless it is an absolute URL with an allowed scheme and a plain host."""
    starts = " or ".join(f"{scheme}://" for scheme in settings.WEBHOOK_SCHEMES)
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValidationError("The URL must not contain spaces, control characters, or backslashes.")
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValidationError(f"Must be a valid URL that starts with {starts}.") from error
    if parsed.scheme not in settings.WEBHOOK_SCHEMES or not parsed.raw_host:
        raise ValidationError(f"Must be a valid URL that starts with {starts}.")
    if "@" in re.split("[/?#]", url)[2]:
        raise ValidationError("The URL must not contain a user name or password.")
    if not 1 <= _port_of(parsed) <= 65535:
        raise ValidationError("The port in the URL must be between 1 and 65535.")
    host = parsed.raw_host.decode("ascii")
    if not _AUTHORITY.fullmatch(url) or not (is_address(host) or _is_host_name(host)):
        raise ValidationError("The host name in the URL is not valid.")
    return parsed


def _is_host_name(host: str) -> bool:
    """Whether the name can exist in DNS: lengths, characters, and valid labels in other scripts."""
    labels = host.removesuffix(".").split(".")
    if len(host.removesuffix(".")) > MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    try:
        for label in labels:
            if label.startswith("xn--"):
                idna.decode(label)
    except idna.IDNAError:
        return False
    return not _NUMERIC_LABEL.fullmatch(labels[-1])


def _port_of(url: httpx2.URL) -> int:
    return {"https": 443, "http": 80}.get(url.scheme, 0) if url.port is None else url.port


# --- requests ---------------------------------------------------------------------------------------------------------
class OutboundClient:
    """A connection pool for one event loop.

    No redirects, no proxies, no cookies. `allow_private`: for an address known to be our own.
    """

    def __init__(
        self, resolver: Resolver = resolve, timeout_seconds: float = TIMEOUT_SECONDS, *, allow_private: bool = False
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(resolver, allow_private=allow_private),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        # Otherwise it would repeat a GET, PUT or DELETE that has reached the server.
        self._session._retry_connection = False

    def __del__(self) -> None:
        """Detached, not closed: the event loop that would close it may have ended."""
        if hasattr(self, "_session"):
            self._session.detach()

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> PostResult:
        """One POST, at most 10 s from DNS lookup to the last byte read. Raises nothing except CancelledError."""
        return await self.request("POST", url, body=body, headers=headers)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float | None = None,
        retries: int = 0,
    ) -> PostResult:
        """A request with another time limit. `retries`: how often it is repeated if nothing was sent yet."""
        started = time.monotonic()
        limit = timeout_seconds or self._timeout_seconds
        while True:
            left = limit - (time.monotonic() - started)
            result = await self._exchange(method, url, body=body, headers=headers, limit=limit, left=left)
            if not result.is_unsent or retries <= 0 or time.monotonic() - started >= limit:
                return replace(result, latency_ms=round((time.monotonic() - started) * 1000))
            retries -= 1

    async def _exchange(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], limit: float, left: float
    ) -> PostResult:
        about = {"http.request.method": method, "server.address": _host_of(url)}
        with tracing.span(method, tracing.CLIENT, about) as span:
            result = await self._send(method, url, body=body, headers=headers, limit=limit, left=left)
            span.note({"http.response.status_code": result.status or 0})
            if not result.is_success:
                span.end("failed")
        return result

    async def _send(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], limit: float, left: float
    ) -> PostResult:
        started = time.monotonic()
        status: int | None = None
        received, received_headers = bytearray(), dict[bytes, bytes]()
        error: str | None = None
        is_timeout = is_unsent = False
        try:
            async with asyncio.timeout(left), self._open(method, url, headers, body or None) as response:
                status = response.status
                received_headers = {name.lower(): value for name, value in response.raw_headers}
                async for chunk in response.content.iter_any():
                    received += chunk
                    if len(received) > MAX_RESPONSE_BYTES:
                        break
            if 300 <= status < 400:
                error = "The server responded with a redirect. Redirects are not followed."
        except (OSError, aiohttp.ClientError) as failure:  # with TimeoutError, and certificate errors, a ValueError too
            is_unsent = isinstance(failure, NOT_CONNECTED) and not isinstance(_cause_of(failure), AddressRefused)
            is_timeout = isinstance(failure, TimeoutError) and not is_unsent
            error = f"No complete response within {limit:g} seconds." if is_timeout else _explain(failure)
        except (httpx2.InvalidURL, ValueError) as failure:
            error = f"Invalid URL: {failure}"
        except Exception:  # a webhook whose attempt has no result would be sent again and again
            logger.exception("A request to a developer's server failed unexpectedly")
            error = "The request failed unexpectedly."
        text, is_whole, problem = _read_body(bytes(received), received_headers)
        latency_ms = round((time.monotonic() - started) * 1000)
        return PostResult(
            status, text, latency_ms, error or problem, is_whole, is_timeout=is_timeout, is_unsent=is_unsent
        )

    async def download(self, url: str, path: Path, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> None:
        """GET a file with these headers and store it at `path`, completely or not at all.

        Raises DownloadFailed, and OSError of the disk.
        """
        partial = path.with_name(f"{path.name}.part")
        try:
            async with asyncio.timeout(self._timeout_seconds), self._open("GET", url, headers or {}) as response:
                if response.status != 200:
                    raise DownloadFailed(f"The server responded with status {response.status}.")
                await _save(response, partial, max_bytes)
        except (AddressRefused, TimeoutError, aiohttp.ClientError) as failure:
            is_timeout = isinstance(failure, TimeoutError) and not isinstance(failure, NOT_CONNECTED)
            reason = (
                f"No complete response within {self._timeout_seconds:g} seconds." if is_timeout else _explain(failure)
            )
            raise DownloadFailed(reason) from failure
        except (httpx2.InvalidURL, ValueError) as failure:
            raise DownloadFailed("Invalid URL.") from failure
        partial.replace(path)

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Raises httpx2.InvalidURL and ValueError for a URL that cannot be requested."""
        target, host = _target(url)
        # The body is read up to a limit. A compressed one is unpacked up to the same limit.
        all_headers = {"Host": host, **headers, "Accept-Encoding": "identity"}
        return self._session.request(method, target, headers=all_headers, data=body, allow_redirects=False)

    async def aclose(self) -> None:
        await self._session.close()


async def _save(response: aiohttp.ClientResponse, path: Path, max_bytes: int) -> None:
    received = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in response.content.iter_any():
            received += len(chunk)
            if received > max_bytes:
                raise DownloadFailed("The file is too large.")
            await asyncio.to_thread(file.write, chunk)


def _read_body(received: bytes, headers: Mapping[bytes, bytes]) -> tuple[str, bool, str | None]:
    """The text of a response, whether it is complete, and why it cannot be read, if so."""
    problem = None
    is_whole = len(received) <= MAX_RESPONSE_BYTES
    content = received[:MAX_RESPONSE_BYTES]
    try:
        encoding = response_text.header(headers, "content-encoding")
        content, is_complete = response_text.decompress(content, encoding, MAX_RESPONSE_BYTES)
        is_whole = is_whole and is_complete
    except response_text.ResponseUnreadable as failure:
        problem = str(failure)
    content_type = response_text.header(headers, "content-type")
    return response_text.decode(content, content_type, is_whole=is_whole), is_whole, problem


@lru_cache(maxsize=1024)
def _target(url: str) -> tuple[yarl.URL, str]:
    """The URL as it is requested, with the bytes that httpx2 makes of it, and the Host header."""
    parsed = httpx2.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.raw_host:
        raise ValueError("it must start with http:// or https:// and name a host.")
    path, _, query = parsed.raw_path.decode("ascii").partition("?")
    host = parsed.raw_host.decode("ascii")
    target = yarl.URL.build(
        scheme=parsed.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=parsed.port,
        path=path,
        query_string=query,
        encoded=True,
    )
    return target, parsed.netloc.decode("ascii")


def _cause_of(failure: Exception) -> Exception:
    """What aiohttp's errors about connections are about."""
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return failure.certificate_error
    return failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure


def _explain(failure: Exception) -> str:
    """One sentence for the log of requests, without the URL."""
    cause = _cause_of(failure)
    match failure:
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorDNSError():
            return str(cause) or type(cause).__name__
        case aiohttp.ClientConnectorError() if not isinstance(cause, AddressRefused):
            return f"Connection to {failure.host} refused (port {failure.port})."
        case aiohttp.ConnectionTimeoutError():
            return f"No connection within {CONNECT_TIMEOUT_SECONDS:g} seconds."
        case aiohttp.ServerDisconnectedError():
            return "Server disconnected without sending a response."
        case BodyInvalid():
            return _not_http(str(failure))
        case aiohttp.ClientPayloadError():
            return "Server disconnected before the end of the response."
        case aiohttp.ClientResponseError():
            return _not_http(failure.message)
        case aiohttp.InvalidURL():
            return f"Invalid URL: {failure}"
    return str(cause) or type(cause).__name__


def _not_http(message: str) -> str:
    """aiohttp's messages go on with the bytes, in further lines."""
    reason = message.partition("\n")[0].rstrip(":")
    return f"The response is not valid HTTP{reason and ': '}{reason}."


_clients: dict[asyncio.AbstractEventLoop, OutboundClient] = {}


def get_client() -> OutboundClient:
    """The running event loop's client, made on first use."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for ended in [one for one in _clients if one.is_closed()]:
            _clients.pop(ended, None)
        _clients[loop] = OutboundClient(timeout_seconds=TIMEOUT_SECONDS)
    return _clients[loop]


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
