"""What an account's calls came to, by day, agent or number: for charts, beside the period before.

Days are UTC, as those of bills. Days that are over are summed up once and remembered (`core.period_cache`). Answer times are those of
at most SAMPLE calls of each day, the last ones: a day of a large account has more answers than are worth reading.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import Developer
from billing.periods import is_past, start_of_day
from bubblyphone.core import period_cache
from bubblyphone.core.money import ZERO
from calls.dashboard.overview import TROUBLE

SAMPLE = 200  # calls of a day
STEP_MS = 20  # to which answer times are rounded
# Read from the index `call_sums` alone, however many calls there are.
SUMS = """
SELECT (settled_at AT TIME ZONE 'UTC')::date, phone_number_id, agent_id, COUNT(*),
       COUNT(*) FILTER (WHERE status = 'completed' AND NOT is_trouble AND NOT voicemail_detected),
       COUNT(*) FILTER (WHERE status = 'completed' AND NOT is_trouble AND voicemail_detected),
       COUNT(*) FILTER (WHERE status = 'failed' AND NOT is_trouble),
       COUNT(*) FILTER (WHERE is_trouble),
       COALESCE(SUM((duration_seconds + 59) / 60) FILTER (WHERE status = 'completed'), 0),
       SUM(telephony_cost + model_cost + transcription_cost + analysis_cost)
FROM calls_call CROSS JOIN LATERAL (SELECT COALESCE(hangup_cause = ANY(%(trouble)s), FALSE) AS is_trouble) AS ending
WHERE developer_id = %(developer)s AND settled_at >= %(since)s AND settled_at < %(until)s AND NOT demo
GROUP BY 1, 2, 3
"""
ANSWERS = """
SELECT day::date, call.phone_number_id, call.agent_id, turn.total_ms / %(step)s, COUNT(*)
FROM unnest(%(days)s::timestamptz[]) AS day
CROSS JOIN LATERAL (
    SELECT id, phone_number_id, agent_id FROM calls_call
    WHERE developer_id = %(developer)s AND settled_at >= day AND settled_at < day + interval '1 day'
      AND NOT demo AND status = 'completed'
    ORDER BY settled_at DESC LIMIT %(sample)s
) AS call
JOIN calls_callturn AS turn ON turn.call_id = call.id
GROUP BY 1, 2, 3, 4
"""
OUTCOMES = {"answered": "Answered", "voicemail": "Voicemail", "unanswered": "Not answered", "failed": "Failed"}


@dataclass(slots=True)
class Figures:
    """Sums of some calls. `answers` counts answer times by their multiple of STEP_MS."""

    calls: int = 0
    answered: int = 0  # by a person, or by an agent
    voicemail: int = 0
    unanswered: int = 0
    failed: int = 0  # for a reason that neither side chose
    minutes: int = 0  # started ones
    cost: Decimal = ZERO
    answers: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Figures") -> None:
        self.calls += other.calls
        self.answered += other.answered
        self.voicemail += other.voicemail
        self.unanswered += other.unanswered
        self.failed += other.failed
        self.minutes += other.minutes
        self.cost += other.cost
        self.answers.update(other.answers)

    @property
    def answer_ms(self) -> int | None:
        """The median time from a caller's last word to the agent's first."""
        before, half = 0, self.answers.total() / 2
        for step, count in sorted(self.answers.items()):
            before += count
            if before >= half:
                return step * STEP_MS
        return None


# Of one day: the figures of each number and agent.
Day = Mapping[tuple[int | None, int | None], Figures]


@dataclass(frozen=True, slots=True)
class Span:
    """Days in order, and as many before them."""

    days: list[date]
    previous: list[date]

    @classmethod
    def ending(cls, last: date, length: int) -> "Span":
        days = [last - timedelta(days=ago) for ago in reversed(range(2 * length))]
        return cls(days[length:], days[:length])


def measure(developer: Developer, span: Span, now: datetime) -> dict[date, Day]:
    """The figures of every day of the span and of the one before, today's so far."""
    return period_cache.recall(
        f"call-figures:{len(span.days)}",
        developer,
        [*span.previous, *span.days],
        lambda day: is_past(day, now),
        lambda missing: _read(developer.pk, missing),
    )


def total(days: Iterable[Day], *, number: int | None = None, agent: int | None = None) -> Figures:
    """The sums of days, of all calls or of those of a number, an agent, or both."""
    found = Figures()
    for day in days:
        for (of_number, of_agent), figures in day.items():
            if number in (None, of_number) and agent in (None, of_agent):
                found.add(figures)
    return found


def _read(developer_id: int, days: list[date]) -> Mapping[date, Day]:
    found: dict[date, dict[tuple[int | None, int | None], Figures]] = {day: {} for day in days}
    span: dict[str, Any] = {
        "developer": developer_id,
        "since": start_of_day(min(days)),
        "until": start_of_day(max(days) + timedelta(days=1)),
        "trouble": TROUBLE,
    }
    sampled: dict[str, Any] = {
        "developer": developer_id,
        "days": [start_of_day(day) for day in days],
        "sample": SAMPLE,
        "step": STEP_MS,
    }
    with connection.cursor() as cursor:
        cursor.execute(SUMS, span)
        for day, number, agent, *sums in cursor.fetchall():
            if day in found:
                found[day][number, agent] = Figures(*sums)
        cursor.execute(ANSWERS, sampled)
        for day, number, agent, step, count in cursor.fetchall():
            found[day].setdefault((number, agent), Figures()).answers[step] += count
    return found
