"""The caller's side of a live call: what a session requires of a media connection, and the carrier's implementation."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bubblyphone.core.audio import AudioFormat, decode_payload, payload_ms
from calls.session.pacing import Pacer, paced
from phone_numbers.carriers.media_protocol import (
    DtmfPressed,
    MarkReached,
    MediaProtocol,
    StreamError,
    StreamStarted,
    StreamStopped,
)

MAX_FRAME_LENGTH = 512 * 1024
SILENCE = {"pcmu": b"\xff", "pcma": b"\xd5", "pcm16": b"\x00"}


@dataclass(frozen=True, slots=True)
class LineBroken:
    """The media connection is lost, including sent audio that was not played yet; the call continues and waits."""


@dataclass(frozen=True, slots=True)
class LineBack:
    """A new media connection is ready."""


# What a session reads: caller audio (base64 text), or an occasional control frame.
CallerFrame = str | MarkReached | DtmfPressed | StreamStopped | StreamError | LineBroken | LineBack


class MediaTransport(Protocol):
    """A media connection. `audio_format` applies in both directions; payloads are base64 text."""

    audio_format: AudioFormat

    def frames(self) -> AsyncIterator[CallerFrame]:
        """Frames from the caller until the connection ends."""

    async def send_audio(self, payload: str) -> None:
        """Queue audio at the far end, which plays it in real time; any length."""

    async def send_mark(self, name: str) -> None:
        """Have the carrier report when playback reaches this point."""

    async def clear(self) -> None:
        """Have the far end drop its pending audio."""


# Processes a piece of the caller's audio (base64) or a mark, without waiting or raising. False: deliver it through `frames` instead.
AudioSink = Callable[[str | MarkReached], bool]


@runtime_checkable
class DirectTransport(MediaTransport, Protocol):
    """A media connection that can carry audio without waking a task."""

    @property
    def is_direct(self) -> bool:
        """Whether sending never waits."""

    def hand_audio_to(self, sink: AudioSink) -> None:
        """Pass audio and marks to `sink` in the callback that read them from the socket, while the reader of `frames` is waiting."""


class StreamNotStarted(Exception):
    """The connection closed, or sent nothing valid, before its stream started."""


class CarrierTransport:
    """A carrier's media WebSocket, directly on ASGI: each queue, task or object per frame would add delay 50 times a second."""

    def __init__(
        self,
        protocol: type[MediaProtocol],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
        send_text: Callable[[str], None] | None = None,
    ) -> None:
        """`send_text` is a faster way to the same socket than `send`, if the server has one."""
        self._protocol_type = protocol
        self._protocol: MediaProtocol
        self._receive = receive
        self._send = send
        self._send_directly = send_text
        self.is_direct = send_text is not None
        self._is_awaited = False  # the next message
        self._pacer: Pacer | None = None  # while `frames` is read, and no piece waits for its time
        self._sink: AudioSink = lambda frame: False
        self.audio_format: AudioFormat
        self.is_open = True
        self.left = asyncio.Event()  # nobody reads it anymore
        self._short = b""  # a piece that is too short to send, prepended to the next one

    async def wait_for_start(self) -> StreamStarted:
        """Read until the stream starts; its format determines how we decode. Raises StreamNotStarted."""
        while True:
            text = await self._next_text()
            if text is None:
                raise StreamNotStarted
            with suppress(ValueError):
                if (protocol := self._protocol_type.begin(text)) is not None:
                    self.start(protocol)
                    return protocol.started

    def start(self, protocol: MediaProtocol) -> None:
        """The stream has started: its protocol reads and writes the frames."""
        self._protocol, self.audio_format = protocol, protocol.started.audio_format
        # Base64 of this length is long enough with any padding.
        self._long_enough = -(-(self._shortest_piece + 2) * 4 // 3)

    async def frames(self) -> AsyncIterator[CallerFrame]:
        """Frames as they arrive, until the carrier sends a piece that needs pacing."""
        self._pacer = pacer = Pacer(self.audio_format, asyncio.get_running_loop().time)
        while (piece := await self._next_piece()) is not None:
            if isinstance(piece, str) and not pacer.passes(piece):
                self._pacer = None
                frames: AsyncIterator[CallerFrame] = paced(self._pieces(piece), pacer)
                async for frame in frames:
                    yield frame
                return
            yield piece

    def hand_audio_to(self, sink: AudioSink) -> None:
        self._sink = sink

    def take(self, text: str) -> bool:
        """Handle a message in the callback that read it.

        False: deliver it through `receive`, because it is neither audio nor a mark, or earlier messages are still queued.
        """
        if not self._is_awaited or self._pacer is None:
            return False
        payload = self._protocol.audio_in(text)
        if payload is not None:
            return self._pacer.passes(payload) and self._sink(payload)
        mark = self._protocol.mark_in(text)
        return mark is not None and self._sink(mark)

    async def _pieces(self, piece: CallerFrame | None) -> AsyncIterator[CallerFrame]:
        while piece is not None:
            yield piece
            piece = await self._next_piece()

    async def _next_piece(self) -> CallerFrame | None:
        """None at the end of the connection."""
        while (text := await self._next_text()) is not None:
            frame: CallerFrame | StreamStarted | None = self._decode(text)
            if frame is not None and not isinstance(frame, StreamStarted):
                return frame
        return None

    async def send_audio(self, payload: str) -> None:
        if self._short or len(payload) < self._long_enough:
            payload = self._joined(payload)
            if not payload:
                return
        if self.is_open and self._send_directly is not None:
            self._send_directly(self._protocol.encode_audio(payload))
        else:
            await self._send_text(self._protocol.encode_audio(payload))

    def _joined(self, payload: str) -> str:
        """The piece joined with what waits before it; nothing if it is still too short."""
        if not self._short and payload_ms(payload, self.audio_format) >= self._protocol.shortest_piece_ms:
            return payload
        try:
            data = self._short + decode_payload(payload)
        except ValueError:
            return ""  # invalid data from a model costs a piece, not the call
        if len(data) < self._shortest_piece:
            self._short = data
            return ""
        self._short = b""
        return base64.b64encode(data).decode()

    async def send_mark(self, name: str) -> None:
        if self._short:
            silence = SILENCE[self.audio_format.encoding]
            data, self._short = self._short.ljust(self._shortest_piece, silence), b""
            await self._send_text(self._protocol.encode_audio(base64.b64encode(data).decode()))
        await self._send_text(self._protocol.encode_mark(name))

    @property
    def _shortest_piece(self) -> int:
        return self._protocol.shortest_piece_ms * self.audio_format.bytes_per_ms

    async def clear(self) -> None:
        self._short = b""
        await self._send_text(self._protocol.encode_clear())

    async def close(self) -> None:
        if self.is_open:
            self.is_open = False
            await self._send({"type": "websocket.close", "code": 1000})

    async def _next_text(self) -> str | None:
        self._is_awaited = True
        try:
            message = await self._receive()
        finally:
            self._is_awaited = False
        if message["type"] == "websocket.disconnect":
            self.is_open = False
            return None
        text = message.get("text") or ""
        return text if len(text) <= MAX_FRAME_LENGTH else ""

    def _decode(self, text: str) -> Any:
        try:
            return self._protocol.decode(text)
        except ValueError:
            return StreamError("The carrier sent an invalid frame")

    async def _send_text(self, text: str) -> None:
        if not self.is_open:
            return
        if self._send_directly is not None:
            self._send_directly(text)
        else:
            await self._send({"type": "websocket.send", "text": text})
