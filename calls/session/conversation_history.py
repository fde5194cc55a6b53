"""What both sides have said so far: reported to the observer as it becomes known, and given to a model that takes over.

If an answer was cut off, by the caller or by the end of the call, only its spoken part counts: the rest was never heard.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents.providers.base import Turn
from agents.providers.model_events import OutputTranscript
from calls.session.interfaces import Observer

HISTORY_TURNS = 40
# If the model's transcription is a separate service, the caller's words may arrive after the answer to them. The answer's text waits this
# long to keep the order.
WORDS_SECONDS = 2.0
# A word, or a character of a script without words.
_WORD = re.compile(r"[\u2e80-\uffdc]|[^\s\u2e80-\uffdc]+")


@dataclass(slots=True)
class _Said:
    role: str
    text: str
    item_id: str = ""


@dataclass(slots=True)
class _Heard:
    """How much of an answer that was cut off was heard, and of how much in total, which grows with output that nobody hears."""

    ms: int
    of_ms: float

    @property
    def share(self) -> float:
        return min(1.0, self.ms / self.of_ms) if self.of_ms else 0.0


class ConversationHistory:
    """The conversation of a call, from its start or continuing `history`."""

    def __init__(
        self, observer: Observer, history: Iterable[Turn] = (), now: Callable[[], float] = time.monotonic
    ) -> None:
        self._observer = observer
        self._now = now
        self._said = deque((_Said(turn.role, turn.text) for turn in history), maxlen=HISTORY_TURNS)
        self._cut: dict[str, _Heard] = {}  # by answer
        self._words_due_at: float | None = None  # until when to wait for the caller's last words
        self._held: list[OutputTranscript] = []  # what the model said meanwhile

    def history(self) -> tuple[Turn, ...]:
        """The history for a new model session."""
        self.release()
        return tuple(turn_of(each.role, each.text) for each in self._said if each.text)

    def is_cut(self, item_id: str) -> bool:
        """Whether nobody hears the remaining output of this answer."""
        return item_id in self._cut

    def note(self, text: str) -> None:
        """A note of the developer, kept for a model that takes over. Not part of the transcript."""
        self._said.append(_Said("user", f"Context update: {text}"))

    def caller_finished(self) -> None:
        """The caller has finished; the words are not known yet."""
        self.release()
        self._words_due_at = self._now() + WORDS_SECONDS

    def caller_said(self, text: str) -> None:
        self._said.append(_Said("user", text))
        self._observer.transcript("user", text)
        self.release()

    def person_said(self, text: str) -> None:
        """A person who has taken over the call has spoken."""
        self._said.append(_Said("human", text))
        self._observer.transcript("human", text)

    def model_said(self, said: OutputTranscript) -> None:
        """The text of an answer, which may already have been cut off."""
        if self._words_due_at is None:
            self._tell(said)
        else:
            self._held.append(said)

    def release_overdue(self) -> None:
        """Stop waiting for the caller's words after the maximum time."""
        if self._words_due_at is not None and self._now() >= self._words_due_at:
            self.release()

    def release(self) -> None:
        """Stop waiting for the caller's words."""
        self._words_due_at = None
        held, self._held = self._held, []
        for said in held:
            self._tell(said)

    def _tell(self, said: OutputTranscript) -> None:
        heard = self._cut.get(said.item_id)
        share = heard.share if heard else 1.0
        spoken = spoken_part(said.text, share)
        if spoken:
            self._said.append(_Said("model", spoken, said.item_id))
            interrupted_at_ms = heard.ms if heard and share < 1 else None
            self._observer.transcript(
                "model",
                spoken,
                item_id=said.item_id,
                interrupted_at_ms=interrupted_at_ms,
                commentary=said.is_commentary,
            )

    def cut(self, item_id: str, heard_ms: int, sounds_ms: float) -> None:
        """Playback of an answer stopped after `heard_ms` of `sounds_ms` received so far."""
        heard = self._cut[item_id] = _Heard(heard_ms, sounds_ms)
        if heard.share >= 1:
            return
        known = [each for each in self._said if each.item_id == item_id]
        for each, text in zip(known, cut_texts([each.text for each in known], heard.share), strict=True):
            each.text = text
        self._observer.interrupted(item_id, heard_ms, heard.share)

    def unheard(self, item_id: str, length_ms: float, *, heard_ms: int) -> None:
        """More of an answer arrived that nobody hears; what came before was heard, unless it was cut."""
        if item_id in self._cut:
            self._cut[item_id].of_ms += length_ms
        else:
            self.cut(item_id, heard_ms, heard_ms + length_ms)


def turn_of(role: str, text: str) -> Turn:
    """An utterance for models, which know two sides. `human` is a person who took over the call."""
    return Turn("model", f"(A colleague:) {text}") if role == "human" else Turn(role, text)


def spoken_part(text: str, share: float) -> str:
    """The words of a text that were spoken when this share of its audio had been played: those with at least half in it."""
    limit = len(text) * share
    ends = [found.end() for found in _WORD.finditer(text) if (found.start() + found.end()) / 2 <= limit]
    return text[: ends[-1]] if ends else ""


def cut_texts(texts: list[str], share: float) -> list[str]:
    """The same for an answer whose text arrived in several pieces."""
    limit = sum(map(len, texts)) * share
    spoken: list[str] = []
    for text in texts:
        spoken.append(spoken_part(text, min(1.0, max(0.0, limit / len(text)))) if text else "")
        limit -= len(text)
    return spoken
