"""How fast an account spends, and how long its balance will last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import Min, Q, Sum
from django.db.models.functions import TruncDate

from accounts.models import Developer
from billing.models import CALL_KINDS, LedgerEntry
from billing.periods import is_past, start_of_day
from bubblyphone.core.money import ZERO
from bubblyphone.core.redis import period_cache

WINDOW = timedelta(days=7)
MONTH = timedelta(days=30)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's cost of calls and number months, and when the first of its calls was charged."""

    calls: Decimal = ZERO
    numbers: Decimal = ZERO
    since: datetime | None = None


def days_left(developer: Developer, balance: Decimal, now: datetime) -> int | None:
    """Whole days that the balance lasts at what calls cost since a week ago and numbers since a month ago; None without either.

    Both are counted by whole days (UTC) and what has passed of today.
    """
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=ago) for ago in range(MONTH // DAY)]
    spent = period_cache.recall(
        "burn_rate", developer, days, lambda day: is_past(day, now), lambda missing: _spent(developer.pk, missing)
    )
    week = [spent[day] for day in days[: WINDOW // DAY + 1]]
    daily = sum((day.numbers for day in spent.values()), ZERO) / (MONTH // DAY)
    if began := [day.since for day in week if day.since]:
        # An account that started yesterday has spent everything in one day.
        daily += sum((day.calls for day in week), ZERO) / Decimal(max(DAY, now - min(began)) / DAY)
    return max(0, int(max(balance, ZERO) / daily)) if daily > 0 else None


def _spent(developer_id: int, days: list[date]) -> Mapping[date, _Day]:
    # Setup fees, refunds and corrections are not regular spending.
    calls, numbers = Q(kind__in=CALL_KINDS), Q(kind=LedgerEntry.Kind.NUMBER_MONTH)
    entries = LedgerEntry.objects.filter(
        calls | numbers, developer_id=developer_id, created_at__gte=start_of_day(min(days))
    )
    rows = (
        entries.order_by()
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values("day")
        .annotate(
            spent=Sum("amount", filter=calls),
            paid=Sum("amount", filter=numbers),
            since=Min("created_at", filter=calls),
        )
    )
    found = {row["day"]: _Day(-(row["spent"] or ZERO), -(row["paid"] or ZERO), row["since"]) for row in rows}
    return {day: found.get(day, _Day()) for day in days}
