"""Detects a caller who has spoken and hears nothing, and chooses the remedies in order. Pure; no I/O."""

import math
from enum import StrEnum

# Shorter sounds of the caller do not require an answer.
SPOKEN_MS = 400.0


class Remedy(StrEnum):
    """The remedies, tried in order while the model stays silent."""

    PROMPT = "prompt"
    RECONNECT = "reconnect"
    FALLBACK = "fallback"
    GIVE_UP = "give_up"


class DeadAir:
    """Waits for the model's voice. `patience` is how many seconds of silence it gets before each remedy."""

    def __init__(self, *, has_fallback: bool) -> None:
        self.patience = math.inf
        self._remedies = [each for each in Remedy if has_fallback or each is not Remedy.FALLBACK]
        self._tried = 0
        self.spoken_ms = SPOKEN_MS  # this much voice requires an answer
        self.since: float | None = None  # when an answer becomes due

    def expect(self, at: float) -> None:
        """An answer is due from now on. A wait in progress starts over."""
        self.since = at

    def nothing_due(self) -> None:
        """Nobody waits for the model: the caller talks, or hears someone else."""
        self.since = None

    def answered(self) -> None:
        """The model is heard. If it only had to be prompted, it was healthy: it knew that the sound was not meant for it."""
        if self._tried == 1:
            self.spoken_ms *= 2
        self.since, self._tried = None, 0

    def due(self, now: float) -> Remedy | None:
        """The next remedy, once, when it is due."""
        if self.since is None or now - self.since < self.patience:
            return None
        remedy = self._remedies[min(self._tried, len(self._remedies) - 1)]
        self._tried += 1
        self.since = now
        return remedy
