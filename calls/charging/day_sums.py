"""Stores the totals of each day's calls once the day is over, so that charts do not read every call (`calls.charging.call_figures`).

If a cost is booked or a call is settled later, PostgreSQL marks the day in the same transaction (`calls.models.StaleDay`). Until its totals
are computed again, figures for that day are read from the calls, so they are never outdated.
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Developer
from billing.periods import is_past
from calls.charging import call_figures
from calls.models import CallSums, StaleDay, SummedDay

DAYS = 2 * 91  # as far back as charts go, with the period before
DAYS_KEPT = DAYS + 7
ACCOUNTS_AT_ONCE = 1_000
# Of one run, which continues where the last one stopped: a new installation has one day to sum up, an old one half a year.
SECONDS = 30
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('calls.day_sums', 0))"


def sum_up(now: datetime | None = None) -> None:
    """The job: sums up past days, latest first, and days that changed since. Two runs can overlap."""
    now, deadline = now or timezone.now(), time.monotonic() + SECONDS
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=ago) for ago in range(1, DAYS + 1)]
    known = set(SummedDay.objects.filter(day__gte=days[-1]).values_list("day", flat=True))
    for day in days:
        if day not in known and is_past(day, now) and time.monotonic() < deadline:
            _sum_up_day(day)
    for developer_id, stale in StaleDay.objects.filter(day__lt=today).values_list("developer_id", "day").distinct():
        if time.monotonic() < deadline:
            _sum_up_again(developer_id, stale)
    for table in (CallSums, SummedDay):
        table.objects.filter(day__lt=today - timedelta(days=DAYS_KEPT)).delete()


@transaction.atomic
def _sum_up_day(day: date) -> None:
    _lock()
    if SummedDay.objects.filter(day=day).exists():
        return
    CallSums.objects.filter(day=day).delete()
    accounts = list(Developer.objects.order_by("pk").values_list("pk", flat=True))
    for at in range(0, len(accounts), ACCOUNTS_AT_ONCE):
        CallSums.objects.bulk_create(_rows(accounts[at : at + ACCOUNTS_AT_ONCE], day))
    SummedDay.objects.create(day=day)


@transaction.atomic
def _sum_up_again(developer_id: int, day: date) -> None:
    _lock()
    # Before the calls are read: a change that is committed later has a row that is not deleted here.
    StaleDay.objects.filter(developer_id=developer_id, day=day).delete()
    if SummedDay.objects.filter(day=day).exists():
        CallSums.objects.filter(developer_id=developer_id, day=day).delete()
        CallSums.objects.bulk_create(_rows([developer_id], day))


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK)


def _rows(accounts: list[int], day: date) -> Iterator[CallSums]:
    for (account, _), parts in call_figures.of_days(accounts, [day]).items():
        for (number, agent), found in parts.items():
            yield CallSums(
                developer_id=account, day=day, number=number, agent=agent, calls=found.calls, answered=found.answered,
                voicemail=found.voicemail, unanswered=found.unanswered, failed=found.failed, minutes=found.minutes, cost=found.cost,
                answers={str(step): count for step, count in found.answers.items()},
            )  # fmt: skip
