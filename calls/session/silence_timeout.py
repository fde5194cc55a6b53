"""How long nobody has been heard on a line. Pure arithmetic on a clock; no I/O."""

import time
from collections.abc import Callable

# A caller who began to speak counts as speaking for this long at most, in case the end is never reported.
LONGEST_SPEECH_SECONDS = 30.0


class SilenceClock:
    """Counts from the last sound of either side, across reconnections.

    `silent_for`: seconds of silence that an earlier session of the same call has seen already.
    """

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
        self._last_sound = max(self._last_sound, min(at, self._now()))

    def caller_began(self) -> None:
        """The model says that the caller is speaking."""
        self._caller_speaks_since = self._now()
        self.heard(self._caller_speaks_since)

    def caller_finished(self, at: float = 0.0) -> None:
        """The caller has been understood, or is being answered; `at`: when a voice was last heard, if that is known."""
        self._caller_speaks_since = None
        self.heard(at)

    def check(self, *, is_sound: bool, is_excused: bool) -> float:
        """The seconds of silence by now. The time since the last check was sound, or does not count (`is_excused`): nobody could
        speak."""
        now = self._now()
        since = self._caller_speaks_since
        if is_sound or (since is not None and now - since < LONGEST_SPEECH_SECONDS):
            self._last_sound = now
        elif is_excused:
            self._last_sound = min(now, self._last_sound + now - self._checked_at)
        self._checked_at = now
        return now - self._last_sound
