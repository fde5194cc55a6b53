"""Answer times as bars: the parts of `calls.models.CallTurn` one after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from calls.models import CallTurn

WIDTH = 1000.0  # of the drawing
# In order of time: field, CSS class, label.
PARTS = (
    ("carrier_in_ms", "carrier", "Incoming audio delay"),
    ("detection_ms", "detection", "End-of-turn detection"),
    ("model_ms", "model", "Model"),
    ("tool_ms", "tool", "Tools"),
    ("own_ms", "own", "Processing"),
    ("playout_ms", "playout", "Playback delay"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a turn: its position in the drawing, and its label."""

    look: str
    x: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    answered_at: datetime
    total_ms: int
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """All turns on one scale, which ends with the longest. `median_ms`: half of the answers were faster."""

    rows: list[TurnRow]
    median_ms: int
    longest_ms: int
    legend: list[tuple[str, str]]


def latency_chart_of(turns: Sequence[CallTurn]) -> LatencyChart | None:
    """None if no turn was measured."""
    totals = sorted(turn.total_ms for turn in turns)
    if not totals:
        return None
    longest = max(1, totals[-1])
    used = [(look, label) for field, look, label in PARTS if any(getattr(turn, field) for turn in turns)]
    rows = [TurnRow(turn.answered_at, turn.total_ms, _bars(turn, WIDTH / longest)) for turn in turns]
    return LatencyChart(rows, totals[(len(totals) - 1) // 2], totals[-1], used)


def _bars(turn: CallTurn, scale: float) -> list[Bar]:
    bars = []
    passed = 0
    for field, look, label in PARTS:
        length = getattr(turn, field) or 0
        if length:
            bars.append(Bar(look, round(passed * scale, 1), round(length * scale, 1), f"{label}: {length} ms"))
        passed += length
    return bars
