"""A queue of audio with marks: what the platform has sent and the handset has not played yet."""

from collections import deque

FRAME_BYTES = 160  # 20 ms of G.711 at 8 kHz
FRAME_SECONDS = 0.02
SILENCE = b"\xff" * FRAME_BYTES  # µ-law zero
# A sender this far ahead of real time is faulty; Telnyx answers it with rate_limit_reached.
MAX_QUEUE_BYTES = 8000 * 60 * 30


class AudioQueue:
    """A byte queue of PCMU, read at 20 ms per tick, with a jitter buffer of one frame.

    Positions count bytes since the start, so a mark is due when `played` has reached its position.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._marks: deque[tuple[int, str]] = deque()
        self._written = 0
        self._played = 0
        self._playing = False
        self._armed = False

    @property
    def queued_ms(self) -> int:
        return len(self._buffer) // 8

    def write(self, audio: bytes) -> bool:
        """Queue PCMU audio. False if the queue is full and nothing was added."""
        if len(self._buffer) + len(audio) > MAX_QUEUE_BYTES:
            return False
        self._buffer += audio
        self._written += len(audio)
        return True

    def mark(self, name: str) -> bool:
        """Add a mark after the queued audio. True if the queue is empty: the caller then returns the mark immediately."""
        if self._played == self._written:
            return True
        self._marks.append((self._written, name))
        return False

    def clear(self) -> list[str]:
        """Drop all queued audio. Returns the names of all pending marks."""
        names = [name for _, name in self._marks]
        self._marks.clear()
        self._buffer.clear()
        self._played = self._written
        self._playing = self._armed = False
        return names

    def due_marks(self) -> list[str]:
        """The names of marks whose audio has been played. Called at each tick, before `next_frame`."""
        names = []
        while self._marks and self._marks[0][0] <= self._played:
            names.append(self._marks.popleft()[1])
        return names

    def next_frame(self) -> bytes:
        """The next 20 ms for the handset, or silence.

        After a pause, playback starts when two frames are queued, or one tick later, so that audio that arrives just in
        time has no gaps if a frame is slightly late.
        """
        if not self._playing:
            ready = self._armed or len(self._buffer) >= 2 * FRAME_BYTES
            self._armed = bool(self._buffer) and not ready
            if not self._buffer or not ready:
                return SILENCE
            self._playing = True
        frame = bytes(self._buffer[:FRAME_BYTES])
        if not frame:
            self._playing = False
            return SILENCE
        del self._buffer[:FRAME_BYTES]
        self._played += len(frame)
        return frame if len(frame) == FRAME_BYTES else frame + SILENCE[len(frame) :]
