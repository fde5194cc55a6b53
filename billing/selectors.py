"""Reading rates and entries."""

from datetime import date, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from billing.models import LedgerEntry
from billing.periods import start_of_day
from bubblyphone.core.errors import Forbidden

RATE = """
SELECT price_per_minute FROM billing_telephonyrate WHERE direction = %s AND prefix = ANY(%s) AND valid_from <= %s
ORDER BY LENGTH(prefix) DESC, valid_from DESC LIMIT 1
"""


def find_rate(direction: str, e164: str, at: datetime) -> Decimal:
    """USD per started minute to ("outbound") or from ("inbound") a number, at a moment: longest prefix, then newest.

    Raises Forbidden (`no_rate`) without a rate.
    """
    digits = e164.removeprefix("+")
    prefixes = [digits[:length] for length in range(len(digits) + 1)]
    with connection.cursor() as cursor:
        cursor.execute(RATE, [direction, prefixes, at])
        found = cursor.fetchone()
    if found is None:
        raise Forbidden("Calls to this destination are not available: it has no rate.", code="no_rate")
    return Decimal(found[0])


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
