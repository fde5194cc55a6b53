"""Connections to URLs provided by developers: each address is checked when it is connected to, with current DNS results."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from bubblyphone.core.network import tls
from webhooks.http.public_addresses import is_public

# Below the 5 s after which Node's servers, the shortest in wide use, close an idle connection.
KEEP_ALIVE_SECONDS = 4.0

Resolver = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(OSError):
    """The host is, or resolves to, an address outside the public Internet."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} does not resolve to a public address.")


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
    """Names, of which all addresses must be public. aiohttp asks it for none that is an address already."""

    def __init__(self, resolver: Resolver, refuse: Callable[[str, str], None]) -> None:
        self._resolve = resolver
        self._refuse = refuse

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
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
            for address in addresses
        ]

    async def close(self) -> None:
        """It holds nothing."""


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

    def __del__(self, _warnings: object = None) -> None:
        """Idle connections end with their event loop: not worth aiohttp's line in the log."""

    def _refuse(self, address: str, host: str) -> None:
        """Raises AddressRefused."""
        if not (self._allow_private or settings.ALLOW_PRIVATE_WEBHOOKS or is_public(ip_address(address))):
            raise AddressRefused(host)

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """The last check, of exactly the address that the connection will use, also if it is in the URL."""
        family, kind, protocol, _, destination = address
        self._refuse(str(destination[0]), str(destination[0]))
        return socket.socket(family, kind, protocol)
