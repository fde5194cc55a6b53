"""A caller who has spoken and hears nothing: when that is noticed, and what is tried in which order. Pure; no I/O."""

import math
from enum import StrEnum

# The caller has said something: shorter sounds are not worth an answer.
SPOKEN_MS = 400.0


class Remedy(StrEnum):
    """What is tried, one after the other, as long as nothing is heard of the model."""

    PROMPT = "prompt"
    RECONNECT = "reconnect"
    FALLBACK = "fallback"
    GIVE_UP = "give_up"


class DeadAir:
    """Waits for the model's voice. `patience` is how many seconds of silence it is given before each remedy."""

    def __init__(self, *, has_fallback: bool) -> None:
        self.patience = math.inf
        self._remedies = [each for each in Remedy if has_fallback or each is not Remedy.FALLBACK]
        self._tried = 0
        self.spoken_ms = SPOKEN_MS  # so much of a voice wants an answer
        self.since: float | None = None  # from when on an answer is due

    def expect(self, at: float) -> None:
        """An answer is due from now on. A wait that goes on begins anew."""
        self.since = at

    def nothing_due(self) -> None:
        """Nobody waits for the model: the caller talks, or hears somebody else."""
        self.since = None

    def answered(self) -> None:
        """The model is heard. One that only had to be asked was well: it knew that the sound was not meant for it."""
        if self._tried == 1:
            self.spoken_ms *= 2
        self.since, self._tried = None, 0

    def due(self, now: float) -> Remedy | None:
        """The next remedy, once, if it is time for it."""
        if self.since is None or now - self.since < self.patience:
            return None
        remedy = self._remedies[min(self._tried, len(self._remedies) - 1)]
        self._tried += 1
        self.since = now
        return remedy
