"""Daphne's WebSocket with a short way out: a frame of audio goes to the socket at once, in one system call.

The stock way leads through Autobahn's frame builder and Twisted's write queue, which costs a turn of the loop, two changes to
the set of watched sockets and log lines that nobody reads, for each of 50 frames a second and call.
"""

from typing import Any

from daphne.ws_protocol import WebSocketProtocol

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82  # RFC 6455 §5.2; a server does not mask


def frame(content: bytes, *, binary: bool) -> bytes:
    """One unfragmented, unmasked frame around a payload."""
    length = len(content)
    kind = _FINAL_BINARY if binary else _FINAL_TEXT
    if length < 126:
        return bytes((kind, length)) + content
    if length < 65536:
        return bytes((kind, 126)) + length.to_bytes(2, "big") + content
    return bytes((kind, 127)) + length.to_bytes(8, "big") + content


class DirectWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Installed by bubblyphone.serve."""

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return  # Autobahn would raise; that nobody hears any more is told to the reading side
        if self.state != self.STATE_OPEN or self.transport.disconnecting:
            super().serverSend(content, binary)
            return
        data = frame(content if isinstance(content, bytes) else content.encode(), binary=binary)
        transport: Any = self.transport
        # What Twisted still holds back goes first. A transport with TLS of its own has none of this.
        if not hasattr(transport, "writeSomeData") or transport.dataBuffer or transport._tempDataBuffer:
            transport.write(data)
            return
        written = transport.writeSomeData(data)
        # Not a number if the connection is lost, which the reading side is told too.
        if isinstance(written, int) and written < len(data):
            transport.write(data[written:])
