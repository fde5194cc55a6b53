"""A call's timeline: speech, tools and problems on one clock, as numbers for an SVG.

The clock starts at the answer. Everything on a call's page that has a time carries it in seconds of this clock, so that page and player
can follow each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from calls.dashboard.tool_log import ToolUse
from calls.dashboard.wording import TROUBLE, describe_event
from calls.models import Call, CallEvent, Recording, SpeechTime, TranscriptEntry

WIDTH = 1000.0  # width of the drawing
WORDS_PER_SECOND = 2.6  # a rough speaking time: English has about 150 words per minute
LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on the chart: `at` in seconds of the clock, `x` and `width` in the drawing, `lane` is a CSS class."""

    lane: str
    at: float
    x: float
    width: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """`seconds`: duration of the clock. `wave`: position of the recording in the drawing (x, width), if there is one."""

    seconds: float
    marks: list[Mark]
    wave: tuple[float, float] | None

    @property
    def has_person(self) -> bool:
        """Whether someone took over the call from the agent."""
        return any(mark.lane == TranscriptEntry.Role.HUMAN for mark in self.marks)


def clock_zero(call: Call) -> datetime:
    return call.answered_at or call.started_at


def seconds_since(zero: datetime, moment: datetime) -> float:
    """Seconds on the clock, to a tenth; earlier times are zero."""
    return round(max(0.0, (moment - zero).total_seconds()), 1)


def timeline_chart_of(
    call: Call,
    transcript: Sequence[TranscriptEntry],
    events: Sequence[CallEvent],
    tools: Sequence[ToolUse],
    recording: Recording | None = None,
) -> TimelineChart | None:
    """None for a call that was never answered."""
    if call.answered_at is None:
        return None
    zero = clock_zero(call)
    seconds = max(1.0, seconds_since(zero, call.ended_at or timezone.now()))
    drawing = _Drawing(zero, seconds)
    heard = list(call.speech.all())
    roles = {each.role for each in heard}
    marks = [drawing.heard(each, _text_of(each, transcript)) for each in heard]
    marks += [drawing.said(entry) for entry in transcript if entry.role not in roles]
    marks += [drawing.point("tool", use.at, f"Tool {use.name}", f"tool-{index}") for index, use in enumerate(tools)]
    troubles = [event for event in events if event.event_type in TROUBLE]
    marks += [
        drawing.point("bad", event.event_timestamp, describe_event(event), f"event-{event.pk}") for event in troubles
    ]
    return TimelineChart(seconds, marks, drawing.span(recording) if recording else None)


def _text_of(heard: SpeechTime, transcript: Sequence[TranscriptEntry]) -> TranscriptEntry | None:
    """The text of the same side with the nearest time."""
    texts = [entry for entry in transcript if entry.role == heard.role]
    return min(texts, key=lambda entry: abs(entry.spoken_at - heard.began_at), default=None)


class _Drawing:
    """Converts times to positions in the drawing."""

    def __init__(self, zero: datetime, seconds: float) -> None:
        self._zero = zero
        self._seconds = seconds

    def span(self, recording: Recording) -> tuple[float, float]:
        """The position of a recording."""
        scale = WIDTH / self._seconds
        begin = (recording.started_at - self._zero).total_seconds()
        return round(begin * scale, 1), round((recording.duration_ms or 0) / 1000 * scale, 1)

    def heard(self, speech: SpeechTime, entry: TranscriptEntry | None) -> Mark:
        """A side was heard at that time; `entry` is what it said."""
        begin, end = (max(0.0, (at - self._zero).total_seconds()) for at in (speech.began_at, speech.ended_at))
        label, anchor = (entry.text, f"said-{entry.pk}") if entry else ("", "timeline-chart")
        return self._mark(speech.role, round(begin, 1), begin, min(self._seconds, end), label, anchor)

    def said(self, entry: TranscriptEntry) -> Mark:
        """For audio that was not measured: a person's text is written after it was said, an agent's when it starts."""
        length = len(entry.text.split()) / WORDS_PER_SECOND
        written = seconds_since(self._zero, entry.spoken_at)
        begin = written if entry.role == TranscriptEntry.Role.MODEL else max(0.0, written - length)
        end = min(self._seconds, begin + length)
        return self._mark(entry.role, written, begin, end, entry.text, f"said-{entry.pk}")

    def point(self, lane: str, moment: datetime, label: str, anchor: str) -> Mark:
        at = min(seconds_since(self._zero, moment), self._seconds)
        return self._mark(lane, at, at, at, label, anchor)

    def _mark(self, lane: str, at: float, begin: float, end: float, label: str, anchor: str) -> Mark:
        scale = WIDTH / self._seconds
        short = label if len(label) <= LONGEST_LABEL else f"{label[:LONGEST_LABEL]}…"
        return Mark(lane, at, round(begin * scale, 1), round(max(3.0, (end - begin) * scale), 1), short, anchor)
