"""A call's utterances and tool calls in order of time, with how long the caller waited for each answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from calls.dashboard.tool_log import ToolUse
from calls.models import CallTurn, TranscriptEntry

# An answer's text is written when the model sends it, its turn when it is heard: at most this far apart.
FURTHEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """An utterance (`entry`) or a tool call (`tool`, the `index`-th of the call).

    `latency_ms`: how long the caller waited for this answer; None if it was not measured.
    """

    at: datetime
    entry: TranscriptEntry | None = None
    latency_ms: int | None = None
    tool: ToolUse | None = None
    index: int = 0


def conversation_of(
    transcript: Sequence[TranscriptEntry], tools: Sequence[ToolUse], turns: Sequence[CallTurn]
) -> list[ConversationLine]:
    """In chronological order; transcript and turns are sorted already."""
    waits = _waits(list(_answers(transcript)), turns)
    lines = [ConversationLine(entry.spoken_at, entry=entry, latency_ms=waits.get(entry.pk)) for entry in transcript]
    lines += [ConversationLine(tool.at, tool=tool, index=index) for index, tool in enumerate(tools)]
    return sorted(lines, key=lambda line: line.at)


def _answers(transcript: Sequence[TranscriptEntry]) -> Iterator[TranscriptEntry]:
    """The model's first text after each of the caller's."""
    before = None
    for entry in transcript:
        if entry.role == TranscriptEntry.Role.MODEL and before == TranscriptEntry.Role.USER:
            yield entry
        before = entry.role


def _waits(answers: list[TranscriptEntry], turns: Sequence[CallTurn]) -> dict[int, int]:
    """The answer times in milliseconds, by the answer's id."""
    waits: dict[int, int] = {}
    for turn in turns:
        left = [answer for answer in answers if answer.pk not in waits]
        nearest = min(left, key=lambda answer: _apart(answer, turn), default=None)
        if nearest is not None and _apart(nearest, turn) <= FURTHEST_SECONDS:
            waits[nearest.pk] = turn.total_ms
    return waits


def _apart(answer: TranscriptEntry, turn: CallTurn) -> float:
    return abs((answer.spoken_at - turn.answered_at).total_seconds())
