"""Daphne's protocols, reporting to the connection limits (`bubblyphone.server.connections`). Installed by `bubblyphone.serve`."""

import asyncio
from functools import partial
from typing import Any, cast

from daphne.http_protocol import HTTPFactory
from django.conf import settings
from twisted.internet.task import LoopingCall
from twisted.web import http

from bubblyphone.core.middleware import API_PREFIX
from bubblyphone.core.network.descriptors import raise_descriptor_limit
from bubblyphone.core.network.http import forwarded_client, json_error, network_of
from bubblyphone.server.client_speed import drop_if_reset
from bubblyphone.server.connections import Connection, Connections, Phase
from bubblyphone.server.daphne_http import KEPT_BYTES, last_response
from bubblyphone.server.daphne_websocket import DirectWebSocketProtocol, path_of

HTTPChannel: Any = http.HTTPChannel  # Twisted is only partly typed

LENGTH_DIGITS = 18  # of a Content-Length; a longer one is too large anyway
# With more connections than this, checking all of them would delay the audio of calls.
MAX_CONNECTIONS = 4096


class LimitedChannel(HTTPChannel):  # type: ignore[misc]
    """An HTTP/1.1 connection that reports its phase to `connections`."""

    connection: Connection | None = None

    def __init__(self) -> None:
        super().__init__()
        self.has_room = asyncio.Event()  # cleared while we buffer more than a client reads at once
        self.has_room.set()

    def pauseProducing(self) -> None:
        self.has_room.clear()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self.has_room.set()
        super().resumeProducing()

    def connectionMade(self) -> None:
        super().connectionMade()
        self.setTimeout(None)  # Twisted's timeout restarts with every byte, so a slow drip would avoid it
        self.connection = self.factory.connections.opened(self)

    def dataReceived(self, data: bytes) -> None:
        transport = self.transport
        if self.connection is not None and self.connection.phase is Phase.CLOSING:
            self.connection.throw_away(len(data))
        else:
            if self.connection is not None and self.connection.phase is Phase.IDLE:
                self._enter(Phase.HEADERS)
            super().dataReceived(data)
        drop_if_reset(transport)

    def headerReceived(self, line: bytes) -> bool:
        """Refuse a Content-Length of too many digits: Python parses no number so long, and Twisted would close without an answer."""
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            line = b"%s: %s" % (name, value.strip().lstrip(b"0")[:LENGTH_DIGITS] or b"0")
        return bool(super().headerReceived(line))

    def allHeadersReceived(self) -> None:
        if self.length is not None and self.length > KEPT_BYTES:
            self.refuse(413)
            return
        super().allHeadersReceived()
        headers, connection = self.requests[-1].requestHeaders, self.connection
        if connection is None:
            return
        client = forwarded_client(headers.getRawHeaders(b"x-forwarded-for", []))
        if client and not self.factory.connections.forwarded(connection, network_of(client)):
            self.refuse(503)
        elif self.length != 0:
            self._enter(Phase.BODY)
        elif headers.getRawHeaders(b"upgrade", [b""])[0].lower() == b"websocket":
            self._enter(Phase.HANDSHAKE)

    def rawDataReceived(self, data: bytes) -> None:
        if self.connection is not None and self.connection.received is not None:
            self.connection.received.count(len(data))
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        if self.connection is not None and self.connection.phase in (Phase.HEADERS, Phase.BODY):
            request = self.requests[-1]
            request.process = partial(self._process_in_turn, request)
        super().allContentReceived()

    def _process_in_turn(self, request: Any) -> None:
        del request.process  # back to the method of the class
        self.factory.connections.run(self.connection, partial(self._process, request))

    def _process(self, request: Any) -> "asyncio.Future[None] | None":
        """The application's task for this request; None if daphne has answered it."""
        request.process()
        return cast("asyncio.Future[None] | None", self.factory.server.connections[request].get("application_instance"))

    def requestDone(self, request: Any) -> None:
        if self.connection is not None and self.connection.phase in (Phase.QUEUED, Phase.BUSY):
            self.factory.connections.request_done(self.connection)
        super().requestDone(request)

    def write(self, data: bytes) -> None:
        self._count(len(data))
        super().write(data)

    def writeSequence(self, iovec: Any) -> None:
        pieces = list(iovec)
        self._count(sum(map(len, pieces)))
        super().writeSequence(pieces)

    def connectionLost(self, reason: Any) -> None:
        self.factory.connections.closed(self.transport)
        self.has_room.set()
        super().connectionLost(reason)

    def _enter(self, phase: Phase) -> None:
        self.factory.connections.enter(self.connection, phase)

    def _count(self, size: int) -> None:
        if self.connection is not None:
            self.connection.written += size

    def refuse(self, status: int) -> None:
        """Answer before the whole body has arrived."""
        self.requests[-1].process = lambda: None
        answer = json_error(status).content if path_of(self).startswith(API_PREFIX.encode()) else b""
        self.answer_last(last_response(b"%d %s" % (status, http.RESPONSES[status]), answer))

    def answer_last(self, answer: bytes) -> None:
        """Answer, and let the client finish what it is sending."""
        self.transport.write(answer)
        self._linger()

    def loseConnection(self) -> None:
        """Twisted calls this after refusing data that is not HTTP, while the client may still be sending."""
        if self.connection is not None and self.connection.phase in (Phase.HEADERS, Phase.BODY):
            self._linger()
        else:
            super().loseConnection()

    def _linger(self) -> None:
        self._enter(Phase.CLOSING)
        self.clearLineBuffer()  # data that arrived with it is no longer read
        self.transport.loseWriteConnection()


class LimitedWebSocket(DirectWebSocketProtocol):
    """A WebSocket that reports to `connections` when the application has accepted it."""

    def onOpen(self) -> None:
        super().onOpen()
        self.factory.server_class.client_connections.websocket_accepted(self.transport)

    def connectionLost(self, reason: Any) -> None:
        self.factory.server_class.client_connections.closed(self.transport)
        super().connectionLost(reason)


class LimitedFactory(HTTPFactory):  # type: ignore[misc]
    """Creates the protocols, and refuses excess connections."""

    protocol = LimitedChannel

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = None
        total = min(raise_descriptor_limit() * 3 // 4, MAX_CONNECTIONS)
        self.connections = Connections(per_address=settings.CONNECTIONS_PER_ADDRESS, total=total)
        server.client_connections = self.connections
        self._checks = LoopingCall(self.connections.check)
        self._checks.start(1, now=False)

    def buildProtocol(self, addr: Any) -> Any:
        return super().buildProtocol(addr) if self.connections.has_room_for(addr.host) else None
