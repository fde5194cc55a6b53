"""Many endpoints in one process, a few of which never respond. Uses little CPU time, because it shares a core with PostgreSQL."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self, cast

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@dataclass(frozen=True, slots=True)
class Arrival:
    headers: dict[str, str]  # lowercase names
    body: bytes
    at: float  # Unix time


@dataclass(slots=True)
class Endpoints:
    """`count` addresses in 127.0.0.0/8. The first `hanging` of them accept requests and never respond."""

    count: int
    hanging: int
    arrivals: list[Arrival] = field(default_factory=list)  # at endpoints that respond
    unanswered: int = 0
    _servers: list[asyncio.Server] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        loop, port = asyncio.get_running_loop(), 0
        for place in range(self.count):
            is_hanging = place < self.hanging
            server = await loop.create_server(
                lambda is_hanging=is_hanging: _Connection(self, is_hanging),  # type: ignore[misc]
                f"127.0.1.{place + 1}",
                port,
                backlog=1000,
            )
            port = server.sockets[0].getsockname()[1]
            self._servers.append(server)
        return self

    async def __aexit__(self, *error: object) -> None:
        for server in self._servers:
            server.close()

    @property
    def urls(self) -> list[str]:
        addresses = [server.sockets[0].getsockname() for server in self._servers]
        return [f"http://{host}:{port}/hook" for host, port in addresses]

    def note(self, arrival: Arrival, is_hanging: bool) -> None:
        if is_hanging:
            self.unanswered += 1
            return
        self.arrivals.append(arrival)
        self._came.set()

    async def wait_for(self, count: int, seconds: float) -> None:
        """Wait until `count` messages have arrived at endpoints that respond. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.arrivals) < count:
                self._came.clear()
                await self._came.wait()


class _Connection(asyncio.Protocol):
    """Reads HTTP/1.1 requests with a Content-Length, one after another."""

    def __init__(self, endpoints: Endpoints, is_hanging: bool) -> None:
        self._endpoints = endpoints
        self._is_hanging = is_hanging
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        self._pending += data
        for arrival in self._whole_requests():
            self._endpoints.note(arrival, self._is_hanging)
            if not self._is_hanging:
                self._transport.write(ANSWER)

    def _whole_requests(self) -> Iterable[Arrival]:
        while b"\r\n\r\n" in self._pending:
            head, _, rest = self._pending.partition(b"\r\n\r\n")
            lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
            headers = {name.lower(): value for name, _, value in lines}
            length = int(headers["content-length"])
            if len(rest) < length:
                return
            self._pending = rest[length:]
            yield Arrival(headers, rest[:length], time.time())
