"""How long a caller waits for an answer, and where the time goes.

Pure arithmetic on a clock; no I/O. A turn lasts from the end of the caller's voice to the first sound of the answer on the caller's line:
the caller falls silent ─ carrier_in ─ detection ─ model (and its tools) ─ own ─ playout ─ the answer is heard The first sound counts,
from either voice: a filler message for a tool is an answer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

# Less voice than this is noise, not a turn.
SHORTEST_VOICE_MS = 100.0


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The parts of one turn in whole milliseconds.

    None: this model does not report when it detected the end of the turn (its time is in `model_ms`), or nobody reports when playback
    began.
    """

    carrier_in_ms: int
    detection_ms: int | None
    model_ms: int
    tool_ms: int
    own_ms: int
    playout_ms: int | None

    @property
    def total_ms(self) -> int:
        parts = (self.carrier_in_ms, self.detection_ms, self.model_ms, self.tool_ms, self.own_ms, self.playout_ms)
        return sum(part or 0 for part in parts)


class TurnClock:
    """Collects the times of the current turn.

    `report` receives each turn once, when its last part is known, with how many seconds ago the answer was heard (negative: it will be
    heard, as far as we know).
    """

    def __init__(self, report: Callable[[TurnTimes, float], None], now: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._now = now
        self._detected_at: float | None = None
        self._tools_since: float | None = None
        self._tool_times: list[tuple[float, float]] = []  # when tools were running since the last answer
        self._measured: TurnTimes | None = None
        self._due_at = 0.0  # when the answer would be heard if the carrier played it immediately

    def caller_spoke(self) -> None:
        """The model reports that the caller is still speaking: the end it detected was not the end."""
        self._detected_at = None

    def end_detected(self) -> None:
        """The model detects the end of the caller's turn."""
        self._detected_at = self._now()

    def tools_run(self, *, any_left: bool) -> None:
        """A tool has started or ended; `any_left`: the model waits for at least one."""
        now = self._now()
        if self._tools_since is not None:
            self._tool_times.append((self._tools_since, now))
        self._tools_since = now if any_left else None

    def answered(self, voice_at: float, voice_lag_ms: float, received_at: float, silent_ms: float = 0.0) -> None:
        """The first sound of an answer arrived at `received_at`, after this much silence in the same piece, and has just been sent to the
        carrier.
        """
        self.finish()
        now = self._now()
        detected_at = self._detected_at if self._detected_at and voice_at <= self._detected_at <= received_at else None
        began = detected_at or min(voice_at, received_at)  # on a slow line the caller may speak meanwhile
        tool_seconds = self._tools_between(began, received_at)
        self._measured = TurnTimes(
            carrier_in_ms=round(voice_lag_ms),
            detection_ms=None if detected_at is None else round((detected_at - voice_at) * 1000),
            model_ms=round((received_at - began - tool_seconds) * 1000 + silent_ms),
            tool_ms=round(tool_seconds * 1000),
            own_ms=round((now - received_at) * 1000),
            playout_ms=None,
        )
        self._due_at, self._detected_at = now + silent_ms / 1000, None
        self._tool_times.clear()

    def _tools_between(self, begin: float, end: float) -> float:
        """For how many seconds tools were running in that period."""
        running = [(self._tools_since, end)] if self._tools_since is not None else []
        return sum(max(0.0, min(until, end) - max(since, begin)) for since, until in [*self._tool_times, *running])

    def playback_began(self, at: float) -> None:
        """The carrier has started to play the first sound of the last answer."""
        if self._measured is not None:
            at = max(at, self._due_at)
            self._measured = replace(self._measured, playout_ms=round((at - self._due_at) * 1000))
            self._due_at = at
            self.finish()

    def finish(self) -> None:
        """No more will be known about the last turn."""
        measured, self._measured = self._measured, None
        if measured is not None:
            self._report(measured, self._now() - self._due_at)
