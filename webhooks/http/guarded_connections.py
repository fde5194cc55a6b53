"""Connections to URLs provided by developers: each address is checked when it is connected to, with current DNS results."""

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from django.conf import settings

from bubblyphone.core.network import tls
from webhooks.http.public_addresses import is_public

# Below the 5 s after which Node's servers, the shortest in wide use, close an idle connection.
KEEP_ALIVE_SECONDS = 4.0
# Python waits 30 s for the end of TLS, so that a hanging server would keep the sockets of requests that are over.
TLS_END_SECONDS = 0.2
# aiohttp tries each of a host's addresses again after the others have failed.
MAX_ADDRESSES = 8
MAX_HEAD_BYTES = 100 * 1024  # status line and headers of a response, with those of 1xx responses before it
_END_OF_HEAD = b"\r\n\r\n"

Resolver = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(OSError):
    """The host is, or resolves to, an address outside the public Internet."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} does not resolve to a public address.")


class BodyInvalid(aiohttp.ClientPayloadError):
    """The body of the response is not valid HTTP, for this reason."""


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@cache
def lookup_threads() -> ThreadPoolExecutor:
    """Separate threads for DNS, and many: an unresponsive name server blocks one for as long as it takes."""
    return ThreadPoolExecutor(128, thread_name_prefix="dns")


def look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise OSError(f"Cannot resolve the host name {host}.") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def resolve(host: str, port: int) -> list[str]:
    """The host's addresses in the system's order of preference. Raises OSError."""
    if is_address(host):
        return [host]
    return await asyncio.get_running_loop().run_in_executor(lookup_threads(), look_up, host, port)


class _GuardedResolver(AbstractResolver):
    """Resolves names whose addresses must all be public. aiohttp does not ask it about hosts that are addresses."""

    def __init__(self, resolver: Resolver, refuse: Callable[[str, str], None]) -> None:
        self._resolve = resolver
        self._refuse = refuse

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
        if not addresses:
            raise OSError(f"The host name {host} has no address.")
        for address in addresses:
            self._refuse(address, host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses[:MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        """There is nothing to close."""


class _Protocol(ResponseHandler):
    """aiohttp's, for servers that break the rules of HTTP."""

    _is_in_head = False
    _head_bytes = 0

    def set_response_params(self, **options: Any) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().set_response_params(**options)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        self._is_in_head = data[0].code < 200
        super().feed_data(data, size)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Also ends a body without a length. aiohttp would take what has arrived before a reset for all of it."""
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(str(exc)))
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses the head apart from what follows it.

        If that cannot be parsed, like the body of a 204 or what exceeds the Content-Length, aiohttp would lose the response with it.
        """
        at = 0
        while self._is_in_head and at < len(data):
            end = data.find(_END_OF_HEAD, at)
            end = len(data) if end < 0 else end + len(_END_OF_HEAD)
            self._head_bytes += end - at
            if self._head_bytes > MAX_HEAD_BYTES and self.transport is not None:
                self.transport.close()
                self.set_exception(HttpProcessingError(message=f"More than {MAX_HEAD_BYTES // 1024} KB of headers"))
            if self.exception() is not None:
                return
            super().data_received(data[at:end])
            at = end
        if at < len(data) or not data:
            super().data_received(data[at:])
        error = self.exception()
        if isinstance(error, HttpProcessingError) and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(BodyInvalid(error.message))  # otherwise its reader would wait for more


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to checked addresses. Host header, SNI and certificate use the name."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        super().__init__(
            resolver=_GuardedResolver(resolver, self._refuse),
            use_dns_cache=False,
            ssl=tls.client_context(),
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            socket_factory=self._make_socket,
        )
        self._ssl_shutdown_timeout = TLS_END_SECONDS
        protocol: type[ResponseHandler] = _Protocol
        self._factory = partial(protocol, loop=self._loop)

    def __del__(self, _warnings: object = None) -> None:
        """Idle connections end with their event loop. aiohttp would log each of them."""

    async def _get(self, key: ConnectionKey, traces: list[Any]) -> Connection | None:
        """A kept connection, unless something has arrived since: its end, or a response to no request.

        The next request would fail, or take it for its own response.
        """
        while (kept := await super()._get(key, traces)) is not None:
            if kept.protocol is not None and kept.transport is not None and not kept.protocol.should_close:
                waiting = select.poll()
                waiting.register(kept.transport.get_extra_info("socket"), select.POLLIN)
                if not waiting.poll(0):
                    return kept
            kept.close()
        return None

    def _refuse(self, address: str, host: str) -> None:
        """Raises AddressRefused."""
        if not (self._allow_private or settings.ALLOW_PRIVATE_WEBHOOKS or is_public(ip_address(address))):
            raise AddressRefused(host)

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """The last check, of exactly the address that the connection will use, also if it is in the URL."""
        family, kind, protocol, _, destination = address
        self._refuse(str(destination[0]), str(destination[0]))
        return socket.socket(family, kind, protocol)
