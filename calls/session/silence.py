"""How long nobody has been heard on a line. Pure arithmetic on a clock; no I/O."""

import time
from collections.abc import Callable


class SilenceClock:
    """Counts from the last sound, whoever made it and whatever was reconnected since.

    `silent_for`: seconds of silence that an earlier session of the same call has seen already.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, silent_for: float = 0.0) -> None:
        self._now = now
        self._checked_at = now()
        self._last_sound = self._checked_at - silent_for

    @property
    def seconds(self) -> float:
        return self._now() - self._last_sound

    def heard(self, at: float) -> None:
        """There was a sound at that time."""
        self._last_sound = max(self._last_sound, min(at, self._now()))

    def check(self, *, is_sound: bool, is_excused: bool) -> float:
        """The seconds of silence by now. The time since the last check was sound, or does not count (`is_excused`): nobody could
        speak."""
        now = self._now()
        if is_sound:
            self._last_sound = now
        elif is_excused:
            self._last_sound = min(now, self._last_sound + now - self._checked_at)
        self._checked_at = now
        return now - self._last_sound
