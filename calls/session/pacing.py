"""Splits caller audio that arrives in large or odd pieces into frames of 20 ms, at the pace of the audio.

The session's timing (who speaks, since when, how long an answer takes) is valid for frames that arrive as they are spoken. A sender that
first collects half a second, or sends bursts, would look like a caller who pauses after each piece.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import TypeVar

from bubblyphone.core.audio import AudioFormat, decode_payload, payload_ms
from calls.session.voice_activity import is_silent

FRAME_MS = 20
# Pieces up to this length, which carriers send, pass unchanged.
SHORT_MS = 40.0
# How far a sender may be ahead of real time; anything beyond is dropped.
MOST_AHEAD_SECONDS = 10.0
# A backlog beyond the longest piece is reduced during pauses: the sender's clock is fast, or it has sent a burst.
SPARE_MS = 200.0
LATELY_SECONDS = 5.0

Control = TypeVar("Control")


@cache
def _usual_lengths(audio_format: AudioFormat) -> frozenset[int]:
    """How many characters of base64 need no pacing, whatever padding is among them. None of PCM16: it might be half a sample."""
    if audio_format.encoding == "pcm16":
        return frozenset()
    shortest, longest = (int(length_ms * audio_format.bytes_per_ms) for length_ms in (FRAME_MS, SHORT_MS))
    return frozenset(size // 3 * 4 for size in range(0, longest + 1, 3) if size - 2 >= shortest)


class Pacer:
    """Audio waiting for its time, at most 10 s."""

    def __init__(self, audio_format: AudioFormat, now: Callable[[], float] = time.monotonic) -> None:
        self._format = audio_format
        self._sample = 2 if audio_format.encoding == "pcm16" else 1
        self._frame = FRAME_MS * audio_format.bytes_per_ms
        self._now = now
        self._waiting = bytearray()
        self._usual = _usual_lengths(audio_format)
        self._due = 0.0  # when the next frame is due
        self._longest, self._longest_at = 0, 0.0  # bytes of the longest recent piece, and when it arrived

    def passes(self, payload: str) -> bool:
        """Whether a piece needs no pacing: one or two whole frames, and nothing is waiting."""
        if self._waiting:
            return False
        if len(payload) in self._usual:
            return True
        length_ms = payload_ms(payload, self._format)
        return FRAME_MS <= length_ms <= SHORT_MS and not length_ms * self._format.bytes_per_ms % self._sample

    def put(self, payload: str) -> bool:
        """Add a piece of any length. False, without adding it, if too much is already waiting."""
        try:
            data = decode_payload(payload)
        except ValueError:
            return True  # a lost piece, not a lost call
        if len(self._waiting) + len(data) > MOST_AHEAD_SECONDS * 1000 * self._format.bytes_per_ms:
            return False
        if len(self._waiting) < self._frame:
            self._due = max(self._due, self._now())
        if len(data) >= self._longest or self._now() - self._longest_at > LATELY_SECONDS:
            self._longest, self._longest_at = len(data), self._now()
        self._waiting += data
        return True

    @property
    def is_empty(self) -> bool:
        """Whether no whole frame is waiting."""
        return len(self._waiting) < self._frame

    @property
    def wait_seconds(self) -> float:
        """Seconds until the next frame is due."""
        return max(0.0, self._due - self._now())

    def take(self) -> str:
        """The next frame, which is due."""
        self._due += FRAME_MS / 1000
        frame = self._next()
        while len(self._waiting) > self._longest + SPARE_MS * self._format.bytes_per_ms and is_silent(
            frame, self._format
        ):
            frame = self._next()
        return frame

    def rest(self) -> str:
        """All waiting audio at once: no more will come."""
        size = len(self._waiting) // self._sample * self._sample
        data, self._waiting = bytes(self._waiting[:size]), bytearray()
        return base64.b64encode(data).decode()

    def _next(self) -> str:
        data = bytes(self._waiting[: self._frame])
        del self._waiting[: self._frame]
        return base64.b64encode(data).decode()


async def paced(
    pieces: AsyncIterator[str | Control],
    pacer: Pacer,
    too_fast: Callable[[], None] = lambda: None,
) -> AsyncIterator[str | Control]:
    """The same audio in frames; everything else passes immediately.

    Small pieces that arrive on time cost one comparison. `too_fast` is called for each dropped piece.
    """
    coming: asyncio.Future[str | Control] | None = None
    try:
        while True:
            piece: str | Control | None = None
            if coming is None and pacer.is_empty:
                piece = await anext(pieces)
            else:
                coming = coming or asyncio.ensure_future(anext(pieces))
                await asyncio.wait({coming}, timeout=None if pacer.is_empty else pacer.wait_seconds)
                if coming.done():
                    piece, coming = coming.result(), None
            if isinstance(piece, str) and not pacer.passes(piece):
                if not pacer.put(piece):
                    too_fast()
            elif piece is not None:
                yield piece
            while not pacer.is_empty and not pacer.wait_seconds:
                yield pacer.take()
    except StopAsyncIteration:
        if rest := pacer.rest():
            yield rest
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
