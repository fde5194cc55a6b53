"""Summing up the calls of each day once, after it, so that no chart reads them one by one (`calls.charging.call_figures`).

A cost that is booked later, and a call that is settled late, are noted by PostgreSQL in the same transaction (`calls.models.StaleDay`).
Until that day's totals are computed again, they are read from the calls, so figures are never outdated.
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
# Of one run, which goes on where the last one stopped: a new installation has a day to sum up, an old one half a year.
SECONDS = 30
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('calls.day_sums', 0))"


def keep(now: datetime | None = None) -> None:
    """The job: the days that are over and not summed up yet, the latest first, and those that changed. May run twice at once."""
    now, deadline = now or timezone.now(), time.monotonic() + SECONDS
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=ago) for ago in range(1, DAYS + 1)]
    known = set(SummedDay.objects.filter(day__gte=days[-1]).values_list("day", flat=True))
    for day in days:
        if day not in known and is_past(day, now) and time.monotonic() < deadline:
            _sum_up(day)
    for developer_id, stale in StaleDay.objects.filter(day__lt=today).values_list("developer_id", "day").distinct():
        if time.monotonic() < deadline:
            _sum_up_again(developer_id, stale)
    for table in (CallSums, SummedDay):
        table.objects.filter(day__lt=today - timedelta(days=DAYS_KEPT)).delete()


@transaction.atomic
def _sum_up(day: date) -> None:
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
