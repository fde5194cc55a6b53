"""Buffers the audio of a client's microphone: it arrives irregularly, and a call needs it every 20 ms."""

from collections import deque

import numpy as np

from bubblyphone.core.audio import mulaw_to_pcm16
from sandbox.exchange.audio.audio_queue import FRAME_BYTES

# How much audio is buffered ahead. Each gap within speech doubles it, because this client's connection is irregular.
LEAST_FRAMES = 2
MOST_FRAMES = 10
# A longer gap is a pause of the client.
LONGEST_GAP_FRAMES = 25
# More than a busy machine needs to catch up. A client that exceeds it constantly sends faster than real time.
LIMIT_BYTES = 100 * FRAME_BYTES
QUIET = 200  # mean amplitude


class JitterBuffer:
    """Takes PCMU in chunks of any length, and returns frames. Delays are reduced in pauses, so no word is cut."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._ahead = LEAST_FRAMES
        self._flows = False
        self._dry_frames = LONGEST_GAP_FRAMES  # frames since the buffer ran empty
        self._held_frames = 0  # frames since audio arrived again
        self._pieces: deque[int] = deque(maxlen=4)  # sizes of the last chunks, in bytes

    def put(self, pcmu: bytes) -> None:
        self._waiting += pcmu
        if pcmu:
            self._pieces.append(len(pcmu))
        if len(self._waiting) > LIMIT_BYTES:
            del self._waiting[: len(self._waiting) - self._ahead * FRAME_BYTES]

    def take(self) -> bytes | None:
        """The next 20 ms, or None if there is no audio, or not enough to start."""
        if self._flows and len(self._waiting) < FRAME_BYTES:
            self._flows, self._dry_frames, self._held_frames = False, 0, 0
        if not self._flows and not self._begins():
            return None
        frame = self._next()
        # The microphone's clock and ours drift apart, and a burst after a gap would stay delayed.
        while len(self._waiting) > 2 * self._ahead * FRAME_BYTES + self._spare and _is_quiet(frame):
            frame = self._next()
        return frame

    @property
    def _spare(self) -> int:
        """Bytes that are buffered because the client sends large chunks. A single large chunk is a burst and does not count."""
        usual = min(self._pieces, default=0)
        return usual if usual > 2 * FRAME_BYTES else 0

    def _begins(self) -> bool:
        self._dry_frames += 1
        if len(self._waiting) < FRAME_BYTES:
            return False
        self._held_frames += 1
        is_gap = self._dry_frames < LONGEST_GAP_FRAMES
        wanted = min(2 * self._ahead, MOST_FRAMES) if is_gap else self._ahead
        if len(self._waiting) < wanted * FRAME_BYTES and self._held_frames <= wanted:
            return False
        self._flows, self._ahead = True, wanted
        return True

    def _next(self) -> bytes:
        frame = bytes(self._waiting[:FRAME_BYTES])
        del self._waiting[:FRAME_BYTES]
        return frame


def _is_quiet(pcmu: bytes) -> bool:
    return bool(np.abs(np.frombuffer(mulaw_to_pcm16(pcmu), "<i2").astype(np.int32)).mean() < QUIET)
