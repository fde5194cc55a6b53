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
        self.ends_at = 0.0  # when all that was sent will have been played
        self._item_id = ""
        self._item_sent_ms = 0.0
        self._item_began_ms = 0.0  # audio sent in total before it
        self._unplayed: deque[tuple[str, str, float]] = deque()  # answer, payload, ms; the first may have been played
        self._unplayed_ms = 0.0
        self._unmarked_ms = 0.0
        self._mark_number = 0
        self._marks: deque[tuple[str, float]] = deque()  # name, audio ms sent in total up to the mark
        self._sent_ms = 0.0

    @property
    def item_id(self) -> str:
        """The answer that was sent last."""
        return self._item_id

    def sent(self, item_id: str, length_ms: float, payload: str = "") -> None:
        """A piece of the answer `item_id` went out."""
        if item_id != self._item_id:
            self._item_id, self._item_sent_ms, self._item_began_ms = item_id, 0.0, self._sent_ms
        self._item_sent_ms += length_ms
        self._sent_ms += length_ms
        self._unmarked_ms += length_ms
        self.ends_at = max(self.ends_at, self._now()) + length_ms / 1000
        self._unplayed.append((item_id, payload, length_ms))
        self._unplayed_ms += length_ms
        self._forget_played()

    def _forget_played(self) -> None:
        remaining_ms = self.remaining_ms()
        while self._unplayed and self._unplayed_ms - self._unplayed[0][2] >= remaining_ms:
            self._unplayed_ms -= self._unplayed.popleft()[2]

    def next_mark(self, *, final: bool = False) -> str | None:
        """Name of a mark to send now, if one is due: every 240 ms of audio, and at the end of an answer."""
        if self._unmarked_ms < (0.001 if final else MARK_EVERY_MS):
            return None
        self._unmarked_ms = 0.0
        self._mark_number += 1
        name = f"m{self._mark_number}"
        self._marks.append((name, self._sent_ms))
        return name

    def reached(self, name: str) -> float | None:
        """A mark came back: what was sent up to it has been played, what was sent after it has not.

        Returns when playback of the last answer began, where the mark lies in it.
        """
        if not any(name == queued for queued, _ in self._marks):
            return None
        while True:
            queued, sent_ms = self._marks.popleft()
            if queued == name:
                break
        self.ends_at = self._now() + (self._sent_ms - sent_ms) / 1000
        played_ms = sent_ms - self._item_began_ms
        return self._now() - played_ms / 1000 if played_ms > 0 else None

    def remaining_ms(self) -> float:
        """Audio that is still to be played."""
        return max(0.0, self.ends_at - self._now()) * 1000

    def is_playing(self) -> bool:
        return self.ends_at > self._now()

    def heard_ms(self) -> int:
        """How much of the last answer has been played."""
        return round(max(0.0, self._item_sent_ms - self.remaining_ms()))

    def heard_share(self) -> float:
        """How much of the last answer's audio has been played, 0 to 1."""
        return min(1.0, self.heard_ms() / self._item_sent_ms) if self._item_sent_ms else 0.0

    def cleared(self) -> None:
        """The far end has thrown away what was still to be played."""
        self.ends_at = min(self.ends_at, self._now())
        self._marks.clear()
        self._unmarked_ms = 0.0
        self._unplayed.clear()
        self._unplayed_ms = 0.0

    def take_unplayed(self) -> list[tuple[str, str]]:
        """The far end is gone: answer and payload of each piece that was not played to its end, as if never sent."""
        self._forget_played()
        lost = [piece for piece in self._unplayed if piece[1]]
        self.cleared()
        self._item_sent_ms -= min(self._item_sent_ms, sum(ms for item, _, ms in lost if item == self._item_id))
        return [(item_id, payload) for item_id, payload, _ in lost]
