"""How much of what was sent has been heard. Pure arithmetic on a clock; no I/O."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MARK_EVERY_MS = 240.0
# A mark this late will not come. Not every carrier returns them.
LOST_MARK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that was not played to its end: `heard_ms` of it, out of `sounds_ms` of audible output."""

    item_id: str
    heard_ms: int
    sounds_ms: float


@dataclass(slots=True)
class _Sent:
    """How much of an answer was sent, and where its last sound ends."""

    ms: float = 0.0
    sounds_ms: float = 0.0


class PlaybackClock:
    """Follows the far end's playback queue, which plays what it receives in real time, in order.

    The clock says how far playback must be; a returned mark corrects it (the carrier started later than assumed). Marks that return after
    a clear mean nothing and are ignored: a clear returns all queued marks.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.ends_at = 0.0  # when everything sent will have been played
        self.item_id = ""  # the answer that was sent last
        self._answer = _Sent()
        self._answers: dict[str, _Sent] = {}  # answers with possibly unplayed audio, and the last one
        self._unplayed: deque[tuple[str, str, float]] = deque()  # answer, payload, ms; the first may have been played
        self._unplayed_ms = 0.0
        self._unmarked_ms = 0.0
        self._mark_number = 0
        self._marks: deque[tuple[str, float, float]] = deque()  # name, audio ms sent, and `_line_ms` up to the mark
        self._sent_ms = 0.0
        self._line_ms = 0.0  # audio plus pauses: the end of the queue on the far end's time scale
        self._sound_at_ms: float | None = None  # position of the awaited sound on that scale

    def sent(
        self,
        item_id: str,
        length_ms: float,
        payload: str = "",
        *,
        sound_ms: float | None = None,
        silent_from_ms: float | None = None,
    ) -> None:
        """A piece of the answer `item_id` was sent.

        `sound_ms`: position of the sound that `reached` should report. `silent_from_ms`: end of its last sound.
        """
        if item_id != self.item_id:
            self._begin(item_id)
        answer = self._answer
        now, ends_at = self._now(), self.ends_at
        if now > ends_at:
            self._line_ms += (now - ends_at) * 1000 if ends_at else 0.0
            ends_at = now
        if sound_ms is not None:
            self._sound_at_ms = self._line_ms + sound_ms
        self._line_ms += length_ms
        if silent_from_ms != 0:
            answer.sounds_ms = answer.ms + (length_ms if silent_from_ms is None else silent_from_ms)
        answer.ms += length_ms
        self._sent_ms += length_ms
        self._unmarked_ms += length_ms
        self.ends_at = ends_at = ends_at + length_ms / 1000
        unplayed, unplayed_ms, remaining_ms = self._unplayed, self._unplayed_ms + length_ms, (ends_at - now) * 1000
        unplayed.append((item_id, payload, length_ms))
        while unplayed and unplayed_ms - unplayed[0][2] >= remaining_ms:  # as `_forget_played`
            unplayed_ms -= unplayed.popleft()[2]
        self._unplayed_ms = unplayed_ms

    def _begin(self, item_id: str) -> None:
        """The next piece belongs to another answer."""
        unplayed = {item for item, _, _ in self._unplayed}
        self._answers = {item: sent for item, sent in self._answers.items() if item in unplayed}
        self.item_id, self._answer = item_id, self._answers.setdefault(item_id, _Sent())

    def _forget_played(self, remaining_ms: float) -> None:
        unplayed = self._unplayed
        while unplayed and self._unplayed_ms - unplayed[0][2] >= remaining_ms:
            self._unplayed_ms -= unplayed.popleft()[2]

    def next_mark(self, *, final: bool = False) -> str | None:
        """Name of a mark to send now, if one is due: every 240 ms of audio, and at the end of an answer."""
        if self._unmarked_ms < (0.001 if final else MARK_EVERY_MS):
            return None
        self._unmarked_ms = 0.0
        self._mark_number += 1
        name = f"m{self._mark_number}"
        lost_before_ms = self._line_ms - (self.ends_at - self._now() + LOST_MARK_SECONDS) * 1000
        while self._marks and self._marks[0][2] < lost_before_ms:
            self._marks.popleft()
        self._marks.append((name, self._sent_ms, self._line_ms))
        return name

    def reached(self, name: str) -> float | None:
        """A mark returned: everything sent before it has been played, everything after it has not.

        Returns, once, when the awaited sound began, at the first mark after it.
        """
        if not any(name == queued for queued, _, _ in self._marks):
            return None
        while True:
            queued, sent_ms, line_ms = self._marks.popleft()
            if queued == name:
                break
        self.ends_at = self._now() + (self._sent_ms - sent_ms) / 1000
        if self._sound_at_ms is None or line_ms <= self._sound_at_ms:
            return None
        began_at = self._now() - (line_ms - self._sound_at_ms) / 1000
        self._sound_at_ms = None
        return began_at

    def remaining_ms(self) -> float:
        """Milliseconds of pending audio."""
        return max(0.0, self.ends_at - self._now()) * 1000

    def is_playing(self) -> bool:
        return self.ends_at > self._now()

    def cuts(self, waiting: Iterable[tuple[str, float]] = ()) -> list[Cut]:
        """What was not heard of the answers if nothing more is played, oldest first.

        `waiting`: answer and ms of audio queued behind everything that was sent.
        """
        unplayed, waiting_ms = self._unplayed_by_answer(), _sums(waiting)
        cuts = []
        for item_id in dict.fromkeys([*self._answers, *waiting_ms]):
            if item_id in unplayed or item_id in waiting_ms:
                sent = self._answers.get(item_id, _Sent())
                more_ms = waiting_ms.get(item_id, 0.0)
                heard_ms = round(max(0.0, sent.ms - unplayed.get(item_id, 0.0)))
                cuts.append(Cut(item_id, heard_ms, sent.ms + more_ms if more_ms else sent.sounds_ms))
        return cuts

    def heard_ms(self, item_id: str) -> int:
        """How much of an answer was heard; 0 for an answer that ended long ago."""
        sent = self._answers.get(item_id, _Sent())
        return round(max(0.0, sent.ms - self._unplayed_by_answer().get(item_id, 0.0)))

    def _unplayed_by_answer(self) -> dict[str, float]:
        """Milliseconds of pending audio by answer."""
        unplayed: list[tuple[str, float]] = []
        remaining_ms = self.remaining_ms()
        for item_id, _, length_ms in reversed(self._unplayed):
            if remaining_ms <= 0:
                break
            unplayed.append((item_id, min(length_ms, remaining_ms)))
            remaining_ms -= length_ms
        return _sums(unplayed)

    def cleared(self) -> None:
        """The far end has dropped its pending audio."""
        self._forget(self._unplayed_by_answer())
        self.ends_at = min(self.ends_at, self._now())
        self._marks.clear()
        self._sound_at_ms = None
        self._unmarked_ms = 0.0
        self._unplayed.clear()
        self._unplayed_ms = 0.0

    def unplayed(self) -> tuple[list[str], float]:
        """The payloads that were not played to their end, and how many ms of them were played."""
        self._forget_played(self.remaining_ms())
        played_ms = max(0.0, self._unplayed_ms - self.remaining_ms())
        return [payload for _, payload, _ in self._unplayed if payload], played_ms

    def take_unplayed(self) -> list[tuple[str, str]]:
        """The far end is gone: answer and payload of each piece that was not played to its end; they count as never sent."""
        self._forget_played(self.remaining_ms())
        lost = [piece for piece in self._unplayed if piece[1]]
        self._forget(_sums((item_id, length_ms) for item_id, _, length_ms in lost))
        self.ends_at = min(self.ends_at, self._now())
        self.cleared()
        return [(item_id, payload) for item_id, payload, _ in lost]

    def _forget(self, unsent_ms: Mapping[str, float]) -> None:
        """Treat this much of each answer as never sent."""
        for item_id, length_ms in unsent_ms.items():
            answer = self._answers[item_id]
            answer.ms = max(0.0, answer.ms - length_ms)
            answer.sounds_ms = min(answer.sounds_ms, answer.ms)


def _sums(lengths: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Milliseconds by answer."""
    sums: dict[str, float] = {}
    for item_id, length_ms in lengths:
        sums[item_id] = sums.get(item_id, 0.0) + length_ms
    return sums
