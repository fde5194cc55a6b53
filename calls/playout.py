"""How much of what was sent has been heard. Pure arithmetic on a clock; no I/O."""

import time
from collections import deque
from collections.abc import Callable

MARK_EVERY_MS = 240.0


class Playout:
    """Follows the far end's playback queue: it plays in real time what it was sent, one piece after the other.

    The clock says how far playback must be; a mark that comes back corrects it (the carrier started later than we think). Marks
    that come back after a clear mean nothing and are ignored: a clear returns all that were queued.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ends_at = 0.0  # when all that was sent will have been played
        self._item_id = ""
        self._item_sent_ms = 0.0
        self._unmarked_ms = 0.0
        self._mark_number = 0
        self._marks: deque[tuple[str, float]] = deque()  # name, audio ms sent in total up to the mark
        self._sent_ms = 0.0

    @property
    def item_id(self) -> str:
        """The answer that was sent last."""
        return self._item_id

    def sent(self, item_id: str, length_ms: float) -> None:
        """A piece of the answer `item_id` went out."""
        if item_id != self._item_id:
            self._item_id, self._item_sent_ms = item_id, 0.0
        self._item_sent_ms += length_ms
        self._sent_ms += length_ms
        self._unmarked_ms += length_ms
        self._ends_at = max(self._ends_at, self._now()) + length_ms / 1000

    def next_mark(self, *, final: bool = False) -> str | None:
        """Name of a mark to send now, if one is due: every 240 ms of audio, and at the end of an answer."""
        if self._unmarked_ms < (0.001 if final else MARK_EVERY_MS):
            return None
        self._unmarked_ms = 0.0
        self._mark_number += 1
        name = f"m{self._mark_number}"
        self._marks.append((name, self._sent_ms))
        return name

    def reached(self, name: str) -> None:
        """A mark came back: what was sent up to it has been played, what was sent after it has not."""
        if not any(name == queued for queued, _ in self._marks):
            return
        while True:
            queued, sent_ms = self._marks.popleft()
            if queued == name:
                break
        self._ends_at = self._now() + (self._sent_ms - sent_ms) / 1000

    def remaining_ms(self) -> float:
        """Audio that is still to be played."""
        return max(0.0, self._ends_at - self._now()) * 1000

    def is_playing(self) -> bool:
        return self._ends_at > self._now()

    def heard_ms(self) -> int:
        """How much of the last answer has been played."""
        return round(max(0.0, self._item_sent_ms - self.remaining_ms()))

    def cleared(self) -> None:
        """The far end has thrown away what was still to be played."""
        self._ends_at = self._now()
        self._marks.clear()
        self._unmarked_ms = 0.0
