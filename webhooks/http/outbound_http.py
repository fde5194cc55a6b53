"""Requests to URLs provided by developers: never into our own network, at most 10 s, at most 64 KB of a response.

An address is checked when it is configured (`validate_webhook_url`) and again at every connection, with current DNS results; the
connection uses exactly the checked address. Used by the dispatcher and by live calls.
"""

import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpcore2
import httpx2
import idna
from django.conf import settings
from django.core.exceptions import ValidationError

from bubblyphone.core.monitoring import tracing
from bubblyphone.core.network import tls
from bubblyphone.core.network.waiting import before_waiting
from webhooks.http import response_text
from webhooks.http.public_addresses import is_public

TIMEOUT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_URL_LENGTH = 2000
# An unresponsive address must leave time for the host's next one.
CONNECT_TIMEOUT_SECONDS = 3.0
# Below the 5 s after which Node's servers, the shortest in wide use, close an idle connection.
KEEP_ALIVE_SECONDS = 4.0
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

Resolver = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(OSError):
    """The host is, or resolves to, an address outside the public Internet."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} does not resolve to a public address.")


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
    if _is_address(host):
        return [host]
    if f".{host.lower().rstrip('.')}".endswith(".localhost"):
        return ["127.0.0.1"]  # whatever DNS says: RFC 6761, section 6.3
    before_waiting()
    lookup = _lookup_threads().submit(_look_up, host, _port_of(url))
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
    if not _AUTHORITY.fullmatch(url) or not (_is_address(host) or _is_host_name(host)):
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


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# --- at every connection ----------------------------------------------------------------------------------------------
@cache
def _lookup_threads() -> ThreadPoolExecutor:
    """Separate threads for DNS, and many: an unresponsive name server blocks one for as long as it takes."""
    return ThreadPoolExecutor(128, thread_name_prefix="dns")


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise OSError(f"Cannot resolve the host name {host}.") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def resolve(host: str, port: int) -> list[str]:
    """The host's addresses in the system's order of preference. Raises OSError."""
    if _is_address(host):
        return [host]
    return await asyncio.get_running_loop().run_in_executor(_lookup_threads(), _look_up, host, port)


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to checked addresses. Host header, SNI and certificate use the name, in the pool above."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._resolve = resolver
        self._allow_private = allow_private
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        is_checked = not (self._allow_private or settings.ALLOW_PRIVATE_WEBHOOKS)
        if is_checked and not all(is_public(ip_address(address)) for address in addresses):
            raise AddressRefused(host)
        failure: Exception = OSError(f"The host name {host} has no address.")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, CONNECT_TIMEOUT_SECONDS, local_address, socket_options
                )
            except httpcore2.ConnectTimeout as error:
                failure = error
            except httpcore2.ConnectError:
                failure = httpcore2.ConnectError(f"Connection to {host} refused (port {port}).")
        raise failure


class OutboundClient:
    """A connection pool for one event loop.

    No redirects, no proxies, no cookies. `allow_private`: for an address known to be our own.
    """

    def __init__(
        self, resolver: Resolver = resolve, timeout_seconds: float = TIMEOUT_SECONDS, *, allow_private: bool = False
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls.client_context(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_GuardedNetwork(resolver, allow_private=allow_private),
        )

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
            async with (
                asyncio.timeout(left),
                self._pool.stream(
                    method, _target(url), headers=_all_headers(url, headers), content=body or None
                ) as response,
            ):
                status = response.status
                received_headers = {name.lower(): value for name, value in response.headers}
                async for chunk in response.aiter_stream():
                    received += chunk
                    if len(received) > MAX_RESPONSE_BYTES:
                        break
            if 300 <= status < 400:
                error = "The server responded with a redirect. Redirects are not followed."
        except TimeoutError:
            error, is_timeout = f"No complete response within {limit:g} seconds.", True
        except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as failure:
            error = str(failure) or type(failure).__name__
            # Plain OSErrors come from the lookup of the name.
            could_connect = not isinstance(failure, OSError | httpcore2.ConnectError | httpcore2.ConnectTimeout)
            is_unsent = not could_connect and not isinstance(failure, AddressRefused)
        except (httpx2.InvalidURL, httpcore2.UnsupportedProtocol, ValueError) as failure:
            error = f"Invalid URL: {failure}"
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
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._pool.stream("GET", _target(url), headers=_all_headers(url, headers or {})) as response,
            ):
                if response.status != 200:
                    raise DownloadFailed(f"The server responded with status {response.status}.")
                await _save(response, partial, max_bytes)
        except TimeoutError as failure:
            raise DownloadFailed(f"No complete response within {self._timeout_seconds:g} seconds.") from failure
        except (AddressRefused, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as failure:
            raise DownloadFailed(str(failure) or type(failure).__name__) from failure
        except (httpx2.InvalidURL, httpcore2.UnsupportedProtocol, ValueError) as failure:
            raise DownloadFailed("Invalid URL.") from failure
        partial.replace(path)

    async def aclose(self) -> None:
        await self._pool.aclose()


async def _save(response: httpcore2.Response, path: Path, max_bytes: int) -> None:
    received = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in response.aiter_stream():
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


def _target(url: str) -> httpcore2.URL:
    parsed = httpx2.URL(url)
    return httpcore2.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)


def _all_headers(url: str, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    # The body is read up to a limit. A compressed one is unpacked up to the same limit.
    own = [(name.encode("ascii"), value.encode()) for name, value in headers.items()]
    return [(b"Host", httpx2.URL(url).netloc), *own, (b"Accept-Encoding", b"identity")]


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, OutboundClient] = WeakKeyDictionary()


def get_client() -> OutboundClient:
    """The running event loop's client, made on first use."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = OutboundClient(timeout_seconds=TIMEOUT_SECONDS)
    return _clients[loop]


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
