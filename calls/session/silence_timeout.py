"""How long nobody has been heard on a line. Pure arithmetic on a clock; no I/O."""

import time
from collections.abc import Callable
from enum import Enum, auto

# A caller who started to speak counts as speaking for at most this long, in case the end is never reported.
LONGEST_SPEECH_SECONDS = 30.0
ASK_AFTER = 2 / 3  # share of the limit


class SilenceClock:
    """Counts from the last sound of either side, across reconnections. `silent_for`: seconds of silence before this session."""

    def __init__(self, now: Callable[[], float] = time.monotonic, silent_for: float = 0.0) -> None:
        self._now = now
        self._checked_at = now()
        self._last_sound = self._checked_at - silent_for
        self._caller_speaks_since: float | None = None

    @property
    def seconds(self) -> float:
        return self._now() - self._last_sound

    def heard(self, at: float) -> None:
        """There was a sound at that time."""
        if at > self._last_sound:
            self._last_sound = min(at, self._now())

    def caller_began(self) -> None:
        """The model reports that the caller is speaking."""
        self._caller_speaks_since = self._now()
        self.heard(self._caller_speaks_since)

    def caller_finished(self, at: float = 0.0) -> None:
        """The caller was understood, or is being answered; `at`: when a voice was last heard, if known."""
        self._caller_speaks_since = None
        if at:  # mostly it is not: with every piece of an answer
            self.heard(at)

    def check(self, *, is_sound: bool, is_excused: bool) -> float:
        """The seconds of silence so far.

        Time since the last check does not count if there was sound, or if nobody could speak (`is_excused`).
        """
        now = self._now()
        since = self._caller_speaks_since
        if is_sound or (since is not None and now - since < LONGEST_SPEECH_SECONDS):
            self._last_sound = now
        elif is_excused:
            self._last_sound = min(now, self._last_sound + now - self._checked_at)
        self._checked_at = now
        return now - self._last_sound


class Due(Enum):
    """What a silence requires."""

    NOTHING = auto()
    QUESTION = auto()
    END = auto()


class SilenceLimit:
    """When silence is too long.

    With `asks`, the agent asks once whether anyone is there: the rest of the limit counts from that question. A response starts a new
    silence, with its own question.
    """

    def __init__(self, seconds: float, *, asks: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._ask_after = seconds * ASK_AFTER if asks else None
        self._asked_at: float | None = None
        self._excused_since = 0.0  # of the seconds since then
        self._now, self._looked_at = now, now()

    def due(self, silent_for: float, *, heard_at: float, may_ask: bool, is_excused: bool) -> Due:
        """`heard_at`: when the other person was last heard. `may_ask`: whether the agent could speak now. `is_excused`: the time
        since the last look does not count."""
        now = self._now()
        since_last_look, self._looked_at = now - self._looked_at, now
        if self._asked_at is not None and heard_at > self._asked_at:
            self._asked_at = None
        if self._asked_at is not None:
            self._excused_since += since_last_look if is_excused else 0.0
            waited_for = now - self._asked_at - self._excused_since
            return Due.END if min(silent_for, waited_for) >= self._seconds * (1 - ASK_AFTER) else Due.NOTHING
        if silent_for >= self._seconds:
            return Due.END
        if self._ask_after is not None and silent_for >= self._ask_after and may_ask:
            self._asked_at, self._excused_since = now, 0.0
            return Due.QUESTION
        return Due.NOTHING
