"""Daphne's WebSocket with a short way in and out for messages of one frame, as audio comes 50 times a second and call.

Out: to the socket at once, in one system call. The stock way leads through Autobahn's frame builder and Twisted's write queue, which
costs a turn of the loop, two changes to the set of watched sockets and log lines that nobody reads. In: from the bytes to the
application's queue. Autobahn's way goes through a dozen methods of its streaming interface, which nobody here uses.
"""

import time
from typing import Any

from daphne.ws_protocol import WebSocketProtocol

# Audio is a few hundred bytes a message. Larger ones close the connection with 1009.
MAX_MESSAGE_BYTES = 1024 * 1024
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


def unmasked(content: bytes, mask: bytes) -> bytes:
    """The payload of a client's frame (RFC 6455 §5.3)."""
    length = len(content)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(content, "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")


class DirectWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Installed by bubblyphone.serve."""

    data: bytes  # come in and not taken yet

    def connectionMade(self) -> None:
        """Autobahn copies its factory's options here, and without a limit would keep a message of any size.

        It would also drop who breaks a rule without saying which (RFC 6455 §7.4.1).
        """
        super().connectionMade()
        self.failByDrop = False
        self.maxFramePayloadSize = self.maxMessagePayloadSize = MAX_MESSAGE_BYTES

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return  # Autobahn would raise; the reading side notices the end
        if self.state != self.STATE_OPEN or self.transport.disconnecting:
            super().serverSend(content, binary)
            return
        data = frame(content if isinstance(content, bytes) else content.encode(), binary=binary)
        transport: Any = self.transport
        # Data that Twisted still buffers goes first. A TLS transport has no such buffer.
        if not hasattr(transport, "writeSomeData") or transport.dataBuffer or transport._tempDataBuffer:
            transport.write(data)
            return
        written = transport.writeSomeData(data)
        # Not a number if the connection is lost, which the reading side learns too.
        if isinstance(written, int) and written < len(data):
            transport.write(data[written:])

    def processData(self) -> bool:
        """Take the next frame from what has come in. Whether there is more.

        A whole text message in one masked frame of less than 64 KiB goes straight to the application; all else is Autobahn's.
        """
        data = self.data
        is_open = self.state == self.STATE_OPEN and self.current_frame is None and not self.inside_message
        if not is_open or len(data) < 8 or data[0] != _FINAL_TEXT or data[1] < 0x80 or data[1] == 0xFF:
            return bool(super().processData())
        length, start = data[1] & 0x7F, 6
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 8
        end = start + length
        if len(data) < end:
            return False
        try:
            text = unmasked(data[start:end], data[start - 4 : start]).decode()
        except UnicodeDecodeError:
            return bool(super().processData())  # which closes the connection as it should be
        self.data = data[end:]
        if self.autoPingTimeoutCall:
            self._cancelAutoPingTimeoutCall()
        if not self.muted:
            self.last_ping = time.time()
            self.application_queue.put_nowait({"type": "websocket.receive", "text": text})
        return end < len(data)
