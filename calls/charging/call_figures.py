"""What an account's calls came to, by day, agent or number: for charts, with the previous period.

Days are UTC, as those of bills. Days that are over are summed up once (`calls.charging.day_sums`). Answer times are those of
at most SAMPLE calls of each day, the last ones: a day of a large account has more answers than are worth reading.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import Developer
from billing.periods import is_past, start_of_day
from bubblyphone.core.money import ZERO
from bubblyphone.core.redis import period_cache
from calls.models import HangupCause, StaleDay, SummedDay

# Ends that neither side of the conversation chose.
TROUBLE = [
    HangupCause.MODEL_FAILED,
    HangupCause.CARRIER_FAILED,
    HangupCause.WEBHOOK_FAILED,
    HangupCause.INSUFFICIENT_BALANCE,
]
SAMPLE = 200  # calls per day
STEP_MS = 20  # to which answer times are rounded
# Read from the index `call_sums` alone, however many calls there are: account by account and day by day, along it.
SUMS = """
SELECT account, (day AT TIME ZONE 'UTC')::date, sums.*
FROM unnest(%(accounts)s::bigint[]) AS account CROSS JOIN unnest(%(days)s::timestamptz[]) AS day CROSS JOIN LATERAL (
    SELECT phone_number_id, agent_id, COUNT(*),
           COUNT(*) FILTER (WHERE status = 'completed' AND NOT is_trouble AND NOT voicemail_detected),
           COUNT(*) FILTER (WHERE status = 'completed' AND NOT is_trouble AND voicemail_detected),
           COUNT(*) FILTER (WHERE status = 'failed' AND NOT is_trouble),
           COUNT(*) FILTER (WHERE is_trouble),
           COALESCE(SUM((duration_seconds + 59) / 60) FILTER (WHERE status = 'completed'), 0),
           SUM(telephony_cost + model_cost + transcription_cost + analysis_cost)
    FROM calls_call
    CROSS JOIN LATERAL (SELECT COALESCE(hangup_cause = ANY(%(trouble)s), FALSE) AS is_trouble) AS ending
    WHERE developer_id = account AND settled_at >= day AND settled_at < day + interval '1 day' AND NOT demo
    GROUP BY 1, 2
) AS sums
"""
ANSWERS = """
SELECT account, (day AT TIME ZONE 'UTC')::date, call.phone_number_id, call.agent_id, turn.total_ms / %(step)s, COUNT(*)
FROM unnest(%(accounts)s::bigint[]) AS account CROSS JOIN unnest(%(days)s::timestamptz[]) AS day CROSS JOIN LATERAL (
    SELECT id, phone_number_id, agent_id FROM calls_call
    WHERE developer_id = account AND settled_at >= day AND settled_at < day + interval '1 day'
      AND NOT demo AND status = 'completed'
    ORDER BY settled_at DESC LIMIT %(sample)s
) AS call
JOIN calls_callturn AS turn ON turn.call_id = call.id
GROUP BY 1, 2, 3, 4, 5
"""
# Of days that are summed up. A period that is not shown by day has its first day as its one.
_PLACE = """
SELECT CASE WHEN %(by)s::text = 'day' THEN day WHEN day >= %(first)s::date THEN %(first)s::date ELSE %(before)s::date END,
       CASE %(by)s::text WHEN 'agent' THEN agent WHEN 'number' THEN number END,
"""
_OF_DAYS = """
WHERE developer_id = %(developer)s AND day = ANY(%(days)s::date[])
  AND (%(number)s::bigint IS NULL OR number = %(number)s::bigint) AND (%(agent)s::bigint IS NULL OR agent = %(agent)s::bigint)
"""
KEPT_SUMS = f"""{_PLACE} SUM(calls), SUM(answered), SUM(voicemail), SUM(unanswered), SUM(failed), SUM(minutes), SUM(cost)
FROM calls_callsums {_OF_DAYS} GROUP BY 1, 2"""
KEPT_ANSWERS = f"""{_PLACE} answer.key::int, SUM(answer.value::int)
FROM calls_callsums CROSS JOIN LATERAL jsonb_each_text(answers) AS answer {_OF_DAYS} GROUP BY 1, 2, 3"""
# Whether one of these days has more calls than those whose answers are read.
SAMPLED = """
SELECT EXISTS (
    SELECT 1 FROM calls_callsums WHERE developer_id = %s AND day = ANY(%s::date[]) GROUP BY day HAVING SUM(calls) > %s
)
"""
OUTCOMES = {"answered": "Answered", "voicemail": "Voicemail", "unanswered": "Not answered", "failed": "Failed"}


@dataclass(slots=True)
class Figures:
    """Totals of some calls. `answers` counts answer times by their multiple of STEP_MS."""

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


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive days, and the same number of days before them."""

    days: list[date]
    previous: list[date]

    @classmethod
    def ending(cls, last: date, length: int) -> "Span":
        days = [last - timedelta(days=ago) for ago in reversed(range(2 * length))]
        return cls(days[length:], days[:length])

    def place_of(self, day: date) -> "tuple[int, bool]":
        """Which day of its period it is, from 0, and whether that is the period before."""
        is_before = day < self.days[0]
        return (day - (self.previous if is_before else self.days)[0]).days, is_before


@dataclass(frozen=True, slots=True)
class Question:
    """Figures of what: `by` "day", "agent" or "number", of all calls or of those of a number, an agent, or both."""

    by: str = "day"
    number: int | None = None
    agent: int | None = None


# The figures of each day (by its place in its period), agent or number, in the period (False) and in the one before (True).
Answer = dict[tuple[int | None, bool], Figures]
# The figures of each number and agent on one day.
Day = dict[tuple[int | None, int | None], Figures]


def measure(developer: Developer, span: Span, question: Question, now: datetime) -> tuple[Answer, bool]:
    """The figures of the span and of the one before, today's so far; and whether the span has a day with more than SAMPLE calls.

    The figures of all calls on past days are cached.
    """
    every = [*span.previous, *span.days]
    past = [day for day in every if is_past(day, now)]
    if question.number is None and question.agent is None:
        name = f"figures:{question.by}:{len(span.days)}"
        days = (past[0], past[-1])  # in the hour after midnight, the span is a new one, but its last past day is not
        cached = period_cache.recall(
            name, developer, [days], lambda _: True, lambda _: {days: _measure(developer.pk, span, question, past)}
        )
        found, is_sampled = cached[days]
    else:
        found, is_sampled = _measure(developer.pk, span, question, past)
    others, is_other_sampled = _measure(developer.pk, span, question, every[len(past) :])
    for key, figures in others.items():
        found[key].add(figures)
    return found, is_sampled or is_other_sampled


def _measure(developer_id: int, span: Span, question: Question, every: list[date]) -> tuple[Answer, bool]:
    """`measure` for some days of both periods."""
    found: Answer = defaultdict(Figures)
    missing = not_summed_up(developer_id, every)
    for day, key, figures in _kept(developer_id, span, question, [day for day in every if day not in missing]):
        place, is_before = span.place_of(day)
        found[place if question.by == "day" else key, is_before].add(figures)
    is_sampled = _is_sampled(developer_id, [day for day in every if day >= span.days[0] and day not in missing])
    for (_, day), parts in of_days([developer_id], sorted(missing)).items():
        place, is_before = span.place_of(day)
        is_sampled |= not is_before and sum(figures.calls for figures in parts.values()) > SAMPLE
        for (number, agent), figures in parts.items():
            if question.number in (None, number) and question.agent in (None, agent):
                key = {"day": place, "agent": agent, "number": number}[question.by]
                found[key, is_before].add(figures)
    return found, is_sampled


def _is_sampled(developer_id: int, days: list[date]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(SAMPLED, [developer_id, days, SAMPLE])
        (found,) = cursor.fetchone()
    return bool(found)


def not_summed_up(developer_id: int, days: Collection[date]) -> set[date]:
    """Those of these days whose calls have to be read: today, and days that are not summed up yet or have changed since."""
    kept = set(SummedDay.objects.filter(day__in=days).values_list("day", flat=True))
    stale = StaleDay.objects.filter(developer=developer_id, day__in=days)
    return set(days) - kept | set(stale.values_list("day", flat=True))


def _kept(
    developer_id: int, span: Span, question: Question, days: list[date]
) -> Iterator[tuple[date, int | None, Figures]]:
    """Figures of days that are summed up: the day, or a day of the same period, the number or agent if these are asked for."""
    asked: dict[str, Any] = {
        "developer": developer_id,
        "by": question.by,
        "first": span.days[0],
        "before": span.previous[0],
        "number": question.number,
        "agent": question.agent,
        "days": days,
    }
    with connection.cursor() as cursor:
        cursor.execute(KEPT_SUMS, asked)
        yield from ((day, key, Figures(*sums)) for day, key, *sums in cursor.fetchall())
        cursor.execute(KEPT_ANSWERS, asked)
        yield from ((day, key, Figures(answers=Counter({step: count}))) for day, key, step, count in cursor.fetchall())


def of_days(accounts: list[int], days: list[date]) -> dict[tuple[int, date], Day]:
    """The figures of accounts on days, from their calls; nothing of an account on a day without any."""
    found: dict[tuple[int, date], Day] = defaultdict(dict)
    if not days:
        return found
    asked: dict[str, Any] = {
        "accounts": accounts,
        "days": [start_of_day(day) for day in days],
        "trouble": TROUBLE,
        "sample": SAMPLE,
        "step": STEP_MS,
    }
    with connection.cursor() as cursor:
        cursor.execute(SUMS, asked)
        for account, day, number, agent, *sums in cursor.fetchall():
            found[account, day][number, agent] = Figures(*sums)
        cursor.execute(ANSWERS, asked)
        for account, day, number, agent, step, count in cursor.fetchall():
            found[account, day].setdefault((number, agent), Figures()).answers[step] += count
    return found
