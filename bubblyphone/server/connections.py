"""Limits on client connections, so that slow clients or floods cannot take the server away from everyone else.

    accept ─▶ HEADERS ─▶ BODY ─▶ QUEUED ─▶ BUSY ─▶ IDLE ─▶ HEADERS …
                 └─▶ HANDSHAKE ─▶ WEBSOCKET   once the application has accepted it, for a token or a session

Every phase has a time limit, checked once a second. An address may keep `CONNECTIONS_PER_ADDRESS` connections, and all clients
together may use three quarters of the process's descriptors. A new connection beyond that replaces the one that has waited
longest without a request.

While an address's connections are new or have a request, it may have a quarter of all: a carrier reports hundreds of calls at once
from a few addresses. Of its requests as many run at once as it may keep connections, and the others wait for their turn. A
WebSocket does not count once it is accepted.
"""

import asyncio
import enum
import time
from collections import OrderedDict
from functools import partial
from typing import Any

from django.conf import settings

from bubblyphone.core.network.http import network_of
from bubblyphone.server.client_speed import Flow, drop_if_reset, untaken
from bubblyphone.server.daphne_http import last_response
from bubblyphone.server.daphne_websocket import buffered, has_answer_begun
from bubblyphone.server.request_turns import Start, Turns

# A refused client may still be sending and may only read the answer afterwards. Its data is discarded for this long if it arrives at the
# minimum rate, and up to this size. If we closed immediately, the connection would be reset and the answer lost.
CLOSE_SECONDS = 5
LINGER_SECONDS = 30
LINGER_BYTES = 256 * 1024 * 1024
# A connection this young may have a request on its way, and a request this young its body.
YOUNG_SECONDS = 1
# The share of all connections that one address may have.
SHARE = 4
# Reverse proxies on this machine and the built-in exchange share these addresses, so their requests in progress are not limited.
THIS_MACHINE = frozenset({"127.0.0.1", "::1"})


class Phase(enum.Enum):
    HEADERS = enum.auto()
    BODY = enum.auto()
    QUEUED = enum.auto()
    BUSY = enum.auto()
    IDLE = enum.auto()
    HANDSHAKE = enum.auto()
    WEBSOCKET = enum.auto()
    CLOSING = enum.auto()


WAITING = frozenset({Phase.HEADERS, Phase.IDLE})
SENDING = frozenset({Phase.BODY, Phase.CLOSING})


class Connection:
    """A client's connection. `since` is when its phase started or its response last progressed, on the monotonic clock."""

    def __init__(self, channel: Any, now: float) -> None:
        self.channel = channel
        self.transport = channel.transport
        self.client = ""  # the network that it counts for; "" if it counts for none
        self.phase, self.since = Phase.HEADERS, now
        self.received: Flow | None = None  # of a body, or of discarded data
        self.taken: Flow | None = None  # by the client, while a response waits in our buffer
        self.written = 0  # bytes of responses
        self._seen_written = 0
        self._seen_taken = 0

    def is_replaceable(self, now: float) -> bool:
        return self.phase in WAITING and now - self.since >= YOUNG_SECONDS and not untaken(self.transport)

    def sends_too_slowly(self, now: float) -> bool:
        return self.received is not None and self.received.is_too_slow(now)

    def throw_away(self, size: int) -> None:
        """Discard more data from a refused client."""
        if self.received is not None:
            self.received.count(size)
            if self.received.total > LINGER_BYTES:
                self.transport.abortConnection()

    def has_new_output(self) -> bool:
        """Whether the application has written anything since the last call."""
        before, self._seen_written = self._seen_written, self.written
        return self.written > before

    def reads_too_slowly(self, now: float) -> bool:
        """Called every second: a response that waits in our buffer must be read at the minimum rate."""
        if not buffered(self.transport):
            self.taken = None
            return False
        taken = self.written - untaken(self.transport)
        if self.taken is None:
            # The kernels on both sides pass on large pieces, so a slow reader seems to pause for a long time.
            self.taken, self._seen_taken = Flow(now, settings.KEEP_ALIVE_SECONDS), taken
        self.taken.count(max(0, taken - self._seen_taken))
        self._seen_taken = max(taken, self._seen_taken)
        return self.taken.is_too_slow(now)


class Connections:
    """Every open connection of this process, and the only place that refuses or ends them.

    Both orders start with the connection that has waited longest, so that a flood costs little for each newcomer.
    """

    def __init__(self, *, per_address: int, total: int) -> None:
        self._per_address = per_address
        self._per_burst = max(per_address, total // SHARE)
        self._total = total
        self._turns = Turns(per_address)
        self._by_transport: dict[Any, Connection] = {}
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._by_client: dict[str, OrderedDict[Connection, None]] = {}

    def has_room_for(self, address: str) -> bool:
        """Whether one more connection from `address` is allowed. If necessary, ends the one that has waited longest."""
        now = time.monotonic()
        if len(self._by_transport) >= self._total and not self._replace_any(now):
            return False
        client = "" if settings.TRUSTED_PROXIES else network_of(address)
        ours = self._by_client.get(client, OrderedDict())
        if not client or not self._per_address or len(ours) < self._per_address or self._replace(ours, now):
            return True
        return client in THIS_MACHINE or len(ours) < self._per_burst

    def opened(self, channel: Any) -> Connection:
        now = time.monotonic()
        connection = Connection(channel, now)
        self._by_transport[channel.transport] = connection
        self._count_for(connection, "" if settings.TRUSTED_PROXIES else network_of(channel.transport.getPeer().host))
        self.enter(connection, Phase.HEADERS, now)
        return connection

    def closed(self, transport: Any) -> None:
        if connection := self._by_transport.pop(transport, None):
            self._waiting.pop(connection, None)
            self._turns.leave(connection.client, connection)
            self._count_for(connection, "")

    def enter(self, connection: Connection, phase: Phase, now: float | None = None) -> None:
        if connection.transport not in self._by_transport:
            return  # ended meanwhile
        now = time.monotonic() if now is None else now
        connection.phase, connection.since = phase, now
        grace = {Phase.BODY: settings.REQUEST_HEADER_SECONDS, Phase.CLOSING: CLOSE_SECONDS}.get(phase)
        connection.received = Flow(now, grace) if grace is not None else None
        self._waiting.pop(connection, None)
        if phase in WAITING:
            self._waiting[connection] = None
            if connection.client:
                self._by_client[connection.client].move_to_end(connection)
        elif phase is Phase.WEBSOCKET:
            self._count_for(connection, "")

    def forwarded(self, connection: Connection, client: str) -> bool:
        """A proxy's connection carries a request of this client. Whether the client may have another one."""
        if self._per_address and len(self._by_client.get(client, ())) >= self._per_burst:
            return False
        self._count_for(connection, client)
        return True

    def run(self, connection: Connection, start: Start) -> None:
        """A request is complete: call `start` when it is its client's turn. Local requests do not wait."""
        if connection.client and connection.client not in THIS_MACHINE:
            self.enter(connection, Phase.QUEUED)
            self._turns.ask(connection.client, connection, partial(self._run, connection, start))
        else:
            self._run(connection, start)

    def _run(self, connection: Connection, start: Start) -> "asyncio.Future[None] | None":
        self.enter(connection, Phase.BUSY)
        return start()

    def request_done(self, connection: Connection) -> None:
        self._turns.leave(connection.client, connection)
        self.enter(connection, Phase.IDLE)
        if settings.TRUSTED_PROXIES:
            self._count_for(connection, "")

    def websocket_accepted(self, transport: Any) -> None:
        if connection := self._by_transport.get(transport):
            self.enter(connection, Phase.WEBSOCKET)

    def check(self) -> None:
        """End connections that take too long, and excess connections of an address. Called once a second."""
        now = time.monotonic()
        for connection in list(self._by_transport.values()):
            self._check(connection, now)
        if not self._per_address:
            return
        for client, ours in list(self._by_client.items()):
            surplus = len(ours) - self._per_address
            while surplus > 0 and self._replace(ours, now):
                surplus -= 1
            if surplus > 0 and client not in THIS_MACHINE:
                self._end_bodies(ours, now)

    def _end_bodies(self, connections: OrderedDict[Connection, None], now: float) -> None:
        """Of a client's requests that are still being sent, end the latest excess ones."""
        sending = [one for one in connections if one.phase is Phase.BODY and now - one.since >= YOUNG_SECONDS]
        sending.sort(key=lambda one: one.since)
        for connection in sending[self._per_address :]:
            self.end(connection, now, b"503 Service Unavailable")

    def _count_for(self, connection: Connection, client: str) -> None:
        if connection.client:
            ours = self._by_client[connection.client]
            del ours[connection]
            if not ours:
                del self._by_client[connection.client]
        connection.client = client
        if client:
            self._by_client.setdefault(client, OrderedDict())[connection] = None

    def _replace(self, connections: OrderedDict[Connection, None], now: float) -> bool:
        """End the one that has waited longest, unless all have a request or are too young."""
        for connection in connections:
            if connection.is_replaceable(now):
                self._abort(connection)
                return True
            if connection.phase in WAITING and now - connection.since < YOUNG_SECONDS:
                return False
        return False

    def _replace_any(self, now: float) -> bool:
        """All places are taken: end the one that has waited longest, even if it has just arrived, otherwise the oldest body."""
        if self._replace(self._waiting, now):
            return True
        victim = next(iter(self._waiting), None)
        if victim is None:
            bodies = (one for one in self._by_transport.values() if one.phase in SENDING)
            victim = min(bodies, key=lambda one: one.since, default=None)
        if victim is None:
            return False
        self._abort(victim)
        return True

    def _abort(self, connection: Connection) -> None:
        connection.transport.abortConnection()
        self.closed(connection.transport)

    def _check(self, connection: Connection, now: float) -> None:
        if connection.phase is Phase.WEBSOCKET:
            # Autobahn's pings end connections whose peer has disappeared. A reset is not looked for after each frame, because that would
            # cost a system call each time.
            drop_if_reset(connection.transport)
            return
        if connection.reads_too_slowly(now):
            connection.transport.abortConnection()
            return
        if connection.has_new_output() or connection.taken:
            # A response is being sent: the client decides how long it takes, as long as it reads.
            if connection.phase in (Phase.BUSY, Phase.IDLE):
                self.enter(connection, connection.phase, now)
            return
        age = now - connection.since
        match connection.phase:
            case Phase.CLOSING if age > LINGER_SECONDS or connection.sends_too_slowly(now):
                connection.transport.abortConnection()
            case Phase.HEADERS if age > settings.REQUEST_HEADER_SECONDS:
                self.end(connection, now, b"408 Request Timeout")
            case Phase.IDLE if age > settings.KEEP_ALIVE_SECONDS:
                self.end(connection, now)
            case Phase.BODY if connection.sends_too_slowly(now):
                self.end(connection, now, b"408 Request Timeout")
            case Phase.QUEUED | Phase.BUSY if age > settings.REQUEST_SECONDS:
                self._answer_late(connection)

    def end(self, connection: Connection, now: float, status: bytes = b"") -> None:
        if status:
            connection.channel.answer_last(last_response(status))
        else:
            self.enter(connection, Phase.CLOSING, now)
            connection.channel.loseConnection()

    def _answer_late(self, connection: Connection) -> None:
        """The application has not answered in time, or has stopped in the middle of an answer."""
        request = connection.channel.requests[0] if connection.channel.requests else None
        if request is None or has_answer_begun(request):
            connection.transport.abortConnection()
        else:
            request.basic_error(503, b"Service Unavailable", "The server did not respond in time.")
