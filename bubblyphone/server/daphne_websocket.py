"""Daphne's WebSocket with a short path in and out for messages of one frame, such as audio: 50 a second and call.

Out: straight to the socket, in one system call. The regular path leads through a coroutine of daphne, Autobahn's frame builder and
Twisted's write queue, which costs a turn of the loop, two changes to the set of watched sockets, and log lines that nobody reads.
In: from the socket to the application, which may take a message in the callback that read it (`take_directly`) instead of being woken.
The regular path leads through Twisted's reactor, with a log context around each read, and a dozen methods of Autobahn's streaming
interface, which we do not use.

This is the only file that uses private names of daphne, Autobahn and Twisted, also for HTTP. They are valid for the versions in `PROVEN`;
with other versions, `prove` makes WebSockets use the regular path, and the functions for HTTP return defaults.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from daphne.ws_protocol import WebSocketProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform, and no compiler
    from websockets.utils import apply_mask

logger = logging.getLogger(__name__)

PROVEN = {"daphne": "4.2.3", "autobahn": "26.10.2", "twisted": "26.10.0"}
# Audio is a few hundred bytes a message. Larger ones close the connection with 1009.
MAX_MESSAGE_BYTES = 1024 * 1024
READ_BYTES = 16384
# A peer with this much unsent data has stopped reading: some minutes of audio, which would grow until the call ends.
MOST_UNSENT_BYTES = 4 * 1024 * 1024
_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82  # RFC 6455 §5.2; a server does not mask
# The header of a text of 126 bytes to 64 KiB, as all audio is: of one that we send, and of one that we receive, which is masked.
_SENT_HEAD, _SENT_TEXT = struct.Struct(">HH"), _FINAL_TEXT << 8 | 126
_READ_HEAD, _READ_TEXT = struct.Struct(">HH4s"), _FINAL_TEXT << 8 | 0x80 | 126


def prove(installed: Callable[[str], str] = version) -> bool:
    """Check at the start of a process whether the short path is safe. If not, turn it off and log a warning."""
    others = [f"{name} {installed(name)}" for name, proven in PROVEN.items() if installed(name) != proven]
    if others:
        logger.warning("Audio uses the slower path through daphne: untested with %s", ", ".join(others))
    DirectWebSocketProtocol.is_direct = not others
    return not others


def buffered(transport: Any) -> int:
    """Bytes in our own memory that the kernel has not accepted yet; 0 if Twisted does not say."""
    if not hasattr(transport, "_tempDataLen"):
        return 0
    return len(transport.dataBuffer) - int(transport.offset) + int(transport._tempDataLen)


def has_answer_begun(request: Any) -> bool:
    """Whether daphne has sent the start of a response to an HTTP request. True if it does not say."""
    return bool(getattr(request, "_response_started", True))


def leave_forms_alone(request: Any) -> None:
    """Keep Twisted from parsing the body of a posted form."""
    request._parsePOSTFormSubmission = False


def path_of(channel: Any) -> bytes:
    """The path of the request whose headers a channel is reading; empty if Twisted does not say."""
    return getattr(channel, "_path", b"")


def direct_send(send: Callable[..., Any]) -> Callable[[str], None] | None:
    """The short path for text messages to the WebSocket behind an ASGI application's `send`; None if there is none."""
    arguments = getattr(send, "args", ())  # daphne's is a `partial` with its protocol
    socket = arguments[0] if arguments else None
    return socket.send_text if isinstance(socket, DirectWebSocketProtocol) and socket.is_direct else None


def take_directly(send: Callable[..., Any], take: Callable[[str], bool]) -> None:
    """Pass each text message to `take` first, if no other message is waiting. If it returns False, the message comes through `receive`.

    `send` is the ASGI application's. Does nothing if there is no short path. `take` must not raise.
    """
    if direct_send(send) is not None:
        send.args[0].take = take  # type: ignore[attr-defined]


def frame(content: bytes, *, binary: bool) -> bytes:
    """One unfragmented, unmasked frame around a payload."""
    kind, length = _FINAL_BINARY if binary else _FINAL_TEXT, len(content)
    if length < 126:
        return bytes((kind, length)) + content
    if length < 65536:
        return _SENT_HEAD.pack(kind << 8 | 126, length) + content
    return bytes((kind, 127)) + length.to_bytes(8, "big") + content


class DirectWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """Installed by bubblyphone.serve."""

    is_direct = True
    is_plain = False  # a Twisted socket without TLS
    data: bytes  # received and not processed yet
    take: Callable[[str], bool] | None = None  # the application's short path for messages

    def connectionMade(self) -> None:
        """Limit the size of messages, which Autobahn does not, and close with a status code that says why (RFC 6455 §7.4.1).

        Autobahn copies its factory's options here, so they are set afterwards.
        """
        super().connectionMade()
        self.failByDrop = False
        self.is_plain = hasattr(self.transport, "writeSomeData")
        self.maxFramePayloadSize = self.maxMessagePayloadSize = MAX_MESSAGE_BYTES

    # --- out ----------------------------------------------------------------------------------------------------------

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        """Send what the application sends by ASGI."""
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return  # Autobahn would raise; the reading side notices the end
        if not self.is_direct or self.state != self.STATE_OPEN or self.transport.disconnecting:
            super().serverSend(content, binary)
            self._drop_if_stalled()
            return
        self._write(frame(content if isinstance(content, bytes) else content.encode(), binary=binary))

    def send_text(self, text: str) -> None:
        """Send one message immediately. Does nothing on a closing connection, whose end its reader notices."""
        if self.state == self.STATE_OPEN and not self.transport.disconnecting:
            content = text.encode()
            if 126 <= (length := len(content)) < 65536:  # as all audio is
                self._write(_SENT_HEAD.pack(_SENT_TEXT, length) + content)
            else:
                self._write(frame(content, binary=False))

    def _write(self, data: bytes) -> None:
        transport: Any = self.transport
        # Data that Twisted still buffers goes first. A TLS transport has no such buffer.
        if not self.is_plain or transport.dataBuffer or transport._tempDataBuffer:
            transport.write(data)
            self._drop_if_stalled()
            return
        try:
            written = transport.socket.send(data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._read_until_end()
            return
        if written < len(data):
            transport.write(data[written:])

    def _read_until_end(self) -> None:
        """The connection is lost: let Twisted read what is left, and the end.

        After a reset uvloop no longer watches the socket (`drop_if_reset`), and the write that failed has taken the socket's error.
        """
        transport: Any = self.transport
        if transport in transport.reactor.getReaders():
            transport.stopReading()
            transport.startReading()

    def _drop_if_stalled(self) -> None:
        """Drop a connection whose peer does not read; its reader notices. Twisted itself would buffer everything."""
        transport: Any = self.transport
        if buffered(transport) > MOST_UNSENT_BYTES and not getattr(transport, "_aborting", False):
            logger.warning("Dropped a WebSocket because its peer stopped reading")
            transport.abortConnection()

    # --- in -----------------------------------------------------------------------------------------------------------

    def onOpen(self) -> None:
        super().onOpen()
        transport: Any = self.transport
        if self.is_direct and self.is_plain and transport in transport.reactor.getReaders():
            # Replaces Twisted's own callback for the same socket: when Twisted stops reading, so do we.
            asyncio.get_running_loop().add_reader(transport.fileno(), self._read)

    def _read(self) -> None:
        transport: Any = self.transport
        try:
            data = transport.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            if data:
                self.dataReceived(data)
            else:
                self._read_until_end()
        except Exception:
            logger.exception("Reading data of a WebSocket failed")
            transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Process frames directly, unless earlier data is waiting or a frame is not a simple one."""
        is_open = self.is_direct and not self.data and self.state == self.STATE_OPEN
        if is_open and self.current_frame is None and not self.inside_message:  # `_is_between_messages`, for each read
            taken, size = 0, len(data)
            while (end := self._pass_directly(data, taken)) and end < size and self.state == self.STATE_OPEN:
                taken = end
            taken = end or taken
            if taken == size:
                return
            data = data[taken:]
        super().dataReceived(data)

    def processData(self) -> bool:
        """Process the next received frame. Returns whether there is more."""
        if self.is_direct and self._is_between_messages() and (end := self._pass_directly(self.data, 0)):
            self.data = self.data[end:]
            return bool(self.data)
        return bool(super().processData())

    def _is_between_messages(self) -> bool:
        return self.state == self.STATE_OPEN and self.current_frame is None and not self.inside_message

    def _pass_directly(self, data: bytes, start: int) -> int:
        """Pass the message at `start` to the application, if it is a whole text in one masked frame of less than 64 KiB.

        Returns its end; 0 if it is not, and Autobahn has to process it.
        """
        if len(data) - start < 8:
            return 0
        kind, length, mask = _READ_HEAD.unpack_from(data, start)
        begin = start + 8
        if kind != _READ_TEXT:
            if data[start] != _FINAL_TEXT or not 0x80 < data[start + 1] < 0xFE:
                return 0
            length, mask, begin = data[start + 1] & 0x7F, data[start + 2 : start + 6], start + 6
        end: int = begin + length
        if len(data) < end:
            return 0
        try:
            text = apply_mask(data[begin:end], mask).decode()
        except UnicodeDecodeError:
            return 0  # Autobahn closes the connection with the right status
        if self.autoPingTimeoutCall:
            self._cancelAutoPingTimeoutCall()
        if not self.muted:
            self.last_ping = time.time()
            if self.take is None or not self.application_queue.empty() or not self.take(text):
                self.application_queue.put_nowait({"type": "websocket.receive", "text": text})
        return end
