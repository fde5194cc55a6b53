"""A model's WebSocket, on `picows`: no task, queue, lock or object beyond the message itself for a frame of audio.

The vendors' own connections cost several times as much CPU, and there are 50 frames a second and call in each direction. Messages are sent
to the socket immediately, and received messages are read in the order in which they arrived.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# A model that reads nothing for this long has stalled, as has one with this much unsent data.
STALLED_SECONDS = 10.0
MOST_UNSENT_BYTES = 4 * 1024 * 1024
# More unread data means that the reader is delayed: then the model has to wait as well.
MOST_UNREAD_BYTES = 1024 * 1024
# A peer that ignores our closing frame delays a call by at most 1 s.
CLOSE_SECONDS = 1.0
NO_CODE = 1005  # RFC 6455 §7.1.5
_TEXT, _CLOSE = WSMsgType.TEXT, WSMsgType.CLOSE  # module constants, because each frame is compared with them


class ModelSocketClosed(Exception):
    """The connection is over. `code` and `reason` are the peer's (RFC 6455 §7.1.5); without a closing frame the code is None."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class ModelSocket(WSListener):
    """One connection, opened by `agents.providers.connecting`. One task reads with `recv`; anyone may `send`."""

    def __init__(self) -> None:
        # Called with each message while the reader waits, in the callback that read it. False: the reader gets it. Must not raise.
        self.take: Callable[[bytes], bool] | None = None
        self._transport: WSTransport | None = None
        self._closed: tuple[int | None, str] | None = None  # why the connection is over
        self._messages: deque[bytes] = deque()  # received, and not read yet
        self.unread_bytes = 0
        self._is_reading_paused = False
        self._partial: bytearray | None = None  # a fragmented message so far
        self._reader: asyncio.Future[bytes | None] | None = None  # the task that waits in `recv`
        self.stalled: asyncio.TimerHandle | None = None  # runs while the peer does not read
        self._gone: asyncio.Task[None] | None = None  # ends with the connection

    # --- for sessions -------------------------------------------------------------------------------------------------

    def send(self, message: str | bytes) -> None:
        """Send one text message immediately. Raises ModelSocketClosed, also if the peer has stopped reading."""
        if self._closed is not None or self._transport is None:
            raise ModelSocketClosed(*(self._closed or ()))
        if self.stalled is not None and self.below.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.abort()
            raise ModelSocketClosed
        self._transport.send(_TEXT, message)

    async def recv(self) -> bytes:
        """The next message, text or binary. Raises ModelSocketClosed after the last one.

        If the reader is canceled, a message may be lost; it is not expected to read again.
        """
        if self._messages:
            message = self._messages.popleft()
            self.unread_bytes -= len(message)
            if self._is_reading_paused and not self._messages:
                self._resume_reading()
            return message
        if self._closed is None:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                woken_by = await self._reader
            finally:
                self._reader = None
            if woken_by is not None:
                return woken_by
        raise ModelSocketClosed(*(self._closed or ()))

    async def close(self) -> None:
        """Close with 1000. Returns when the connection has ended, after at most 1 s; can be repeated."""
        if self._transport is None or self._gone is None:
            return
        if self._closed is None:
            self._end(None, "")
            self._transport.send_close(WSCloseCode.OK)
            self._resume_reading()  # to read the peer's answer
        try:
            await asyncio.wait({self._gone}, timeout=CLOSE_SECONDS)
        finally:
            self._transport.disconnect(graceful=False)

    def abort(self) -> None:
        """Drop the connection, even while it is being opened."""
        self._end(None, "")
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # --- for picows ---------------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The peer has accepted the WebSocket."""
        self._transport = transport
        self._gone = asyncio.create_task(self._wait_until_gone(transport), name="model-socket")
        if self._closed is not None:  # nobody waits for it anymore
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The next frame, whose content is only valid during this call."""
        kind = frame.msg_type
        if kind is _CLOSE:
            self._end_by(transport, frame.get_payload_as_bytes())
        elif self._closed is not None or transport.is_close_frame_sent:
            self._end(
                None, ""
            )  # picows has closed the connection because the peer broke the protocol, but continues to read
        elif frame.fin and self._partial is None and (kind is _TEXT or kind is WSMsgType.BINARY):
            self._receive(frame.get_payload_as_bytes())
        elif kind is not WSMsgType.PONG:
            self._collect(frame)

    def _end_by(self, transport: WSTransport, content: bytes) -> None:
        """The peer closes the connection, or answers a closing frame of ours or of picows."""
        if self._closed is None and not transport.is_close_frame_sent:
            code = int.from_bytes(content[:2], "big") if content else NO_CODE
            self._end(code, content[2:].decode(errors="replace"))
            transport.send_close(WSCloseCode.OK)
        self._end(None, "")
        transport.disconnect()

    def _receive(self, message: bytes) -> None:
        reader = self._reader
        if reader is None or reader.done():
            self._keep(message)
        elif self.take is None or not self.take(message):
            reader.set_result(message)

    def _keep(self, message: bytes) -> None:
        """Keep a message for the reader, which is busy or about to wake up."""
        self._messages.append(message)
        self.unread_bytes += len(message)
        if self.unread_bytes > MOST_UNREAD_BYTES and not self._is_reading_paused:
            self._is_reading_paused = True
            self.below.pause_reading()

    def _collect(self, frame: WSFrame) -> None:
        """Add a fragment of a message (RFC 6455 §5.4)."""
        if (frame.msg_type is WSMsgType.CONTINUATION) is (self._partial is None):
            raise self._refusal(WSCloseCode.PROTOCOL_ERROR, "unexpected frame")
        partial = self._partial = self._partial if self._partial is not None else bytearray()
        partial += frame.get_payload_as_memoryview()
        if len(partial) > MAX_MESSAGE_BYTES:
            raise self._refusal(WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        if frame.fin:
            self._partial = None
            self._receive(bytes(partial))

    def _refusal(self, code: WSCloseCode, reason: str) -> WSProtocolError:
        """The error for a peer that breaks the protocol, with which picows closes."""
        self._end(None, "")
        return WSProtocolError(code, reason)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection has ended."""
        self._end(None, "")

    def pause_writing(self) -> None:
        """The peer reads more slowly than we send."""
        self.stalled = asyncio.get_running_loop().call_later(STALLED_SECONDS, self.abort)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None

    # ------------------------------------------------------------------------------------------------------------------

    async def _wait_until_gone(self, transport: WSTransport) -> None:
        # Protocol errors of the peer are raised here, and have been logged.
        with contextlib.suppress(WSProtocolError):
            await transport.wait_disconnected()

    def _end(self, code: int | None, reason: str) -> None:
        """End the connection; only the first reason counts. Received messages can still be read."""
        self.resume_writing()
        if self._closed is None:
            self._closed = code, reason
            if self._reader is not None and not self._reader.done():
                self._reader.set_result(None)

    def _resume_reading(self) -> None:
        if self._is_reading_paused:
            self._is_reading_paused = False
            self.below.resume_reading()

    @property
    def below(self) -> Any:
        """The transport below, with asyncio's interface."""
        assert self._transport is not None
        return self._transport.underlying_transport
