"""Reading rates and entries."""

from datetime import date, datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.db.models.functions import Length

from billing.models import LedgerEntry, TelephonyRate
from billing.periods import start_of_day
from bubblyphone.core.errors import Forbidden


def find_rate(direction: str, e164: str, at: datetime) -> Decimal:
    """USD per started minute to ("outbound") or from ("inbound") a number, at a moment: longest prefix, then newest.

    Raises Forbidden (`no_rate`) without a rate.
    """
    digits = e164.removeprefix("+")
    rate = (
        TelephonyRate.objects.filter(
            direction=direction, prefix__in=[digits[:length] for length in range(len(digits) + 1)], valid_from__lte=at
        )
        .order_by(Length("prefix").desc(), "-valid_from")
        .values_list("price_per_minute", flat=True)
        .first()
    )
    if rate is None:
        raise Forbidden("Calls to this destination are not available: it has no rate.", code="no_rate")
    return rate


def entries_of(
    developer_id: int,
    *,
    movement: str = "",
    kind: str = "",
    first_day: date | None = None,
    last_day: date | None = None,
) -> QuerySet[LedgerEntry]:
    """A developer's transactions: all, or only credits or debits, of a kind, of a range of days (UTC, both included)."""
    entries = LedgerEntry.objects.filter(developer_id=developer_id)
    if movement:
        entries = entries.filter(amount__gte=0) if movement == "credit" else entries.filter(amount__lt=0)
    if kind:
        entries = entries.filter(kind=kind)
    if first_day:
        entries = entries.filter(created_at__gte=start_of_day(first_day))
    if last_day:
        # Not the next day's start, because the last possible date has no next day.
        entries = entries.filter(
            created_at__lte=start_of_day(last_day).replace(hour=23, minute=59, second=59, microsecond=999_999)
        )
    return entries
