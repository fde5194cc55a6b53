"""Chooses the tool that a sentence asks for, by meaning and by the words it shares with the tool's name."""

from collections.abc import Sequence

from agents.brain import phrases
from agents.brain.facts import Embed
from agents.brain.text import content_words, label
from agents.providers.base import ToolSpec

# A tool is chosen from this score: cosine similarity plus a bonus for shared words.
THRESHOLD = 0.42
NAME_WORDS_WEIGHT = 0.25
REQUEST_BONUS = 0.12
QUESTION_MALUS = 0.08

SYNONYMS = (
    {"book", "reserve", "reservation", "schedule", "appointment", "arrange"},
    {"cancel", "call off", "delete", "remove"},
    {"check", "status", "track", "look", "find", "where"},
    {"change", "reschedule", "move", "update", "modify"},
    {"message", "note", "tell"},
    {"order", "buy", "purchase"},
    {"availability", "available", "free", "slot", "open"},
)


class ToolChoice:
    """The tools of a call with their meanings."""

    def __init__(self, tools: Sequence[ToolSpec], embed: Embed) -> None:
        self._tools = tools
        self._embed = embed
        self._meanings = [f"{label(tool.name)}. {tool.description}".strip() for tool in tools]
        self._names = [_with_synonyms(content_words(label(tool.name))) for tool in tools]

    async def prepare(self) -> None:
        """Embed the tools' descriptions."""
        await self._embed(self._meanings)

    async def choose(self, text: str, said: str, *, fact_fit: float) -> ToolSpec | None:
        """The requested tool; None if a fact with a score of `fact_fit` answers better, or nothing matches."""
        if not self._tools:
            return None
        vectors = await self._embed([text, *self._meanings])
        cosines = vectors[1:] @ vectors[0]
        words = content_words(said)
        is_question = bool(phrases.QUESTION.search(said))
        is_request = bool(phrases.REQUEST.search(said)) and not phrases.INFORMATION.search(said)
        scores = []
        for cosine, groups in zip(cosines.tolist(), self._names, strict=True):
            named = sum(bool(group & words) for group in groups) / max(1, len(groups))
            score = cosine + NAME_WORDS_WEIGHT * named + REQUEST_BONUS * is_request
            scores.append(score - QUESTION_MALUS * (is_question and not is_request))
        best = max(range(len(scores)), key=scores.__getitem__)
        return self._tools[best] if scores[best] >= max(THRESHOLD, fact_fit) else None


def _with_synonyms(words: set[str]) -> list[set[str]]:
    """For each word of a name the stems that stand for it."""
    groups = []
    for word in words:
        related = {word}
        for synonyms in SYNONYMS:
            stems = content_words(" ".join(synonyms))
            if word in stems:
                related |= stems
        groups.append(related)
    return groups
