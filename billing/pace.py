"""How fast an account spends, and how long its balance will last."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min, Q, Sum

from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO

WINDOW = timedelta(days=7)
MONTH = timedelta(days=30)
DAY = timedelta(days=1)
# What a number costs to set up, money that is taken back, and money that is put right are no habits.
CALLS = [
    LedgerEntry.Kind.TELEPHONY,
    LedgerEntry.Kind.MODEL,
    LedgerEntry.Kind.TRANSCRIPTION,
    LedgerEntry.Kind.ANALYSIS,
]


def days_left(developer_id: int, balance: Decimal, now: datetime) -> int | None:
    """Whole days that the balance lasts at what calls cost in the last week and numbers in the last month; None without either."""
    calls = Q(kind__in=CALLS, created_at__gte=now - WINDOW)
    numbers = Q(kind=LedgerEntry.Kind.NUMBER_MONTH)
    found = LedgerEntry.objects.filter(
        calls | numbers, developer_id=developer_id, created_at__gte=now - MONTH
    ).aggregate(
        calls=Sum("amount", filter=calls), since=Min("created_at", filter=calls), numbers=Sum("amount", filter=numbers)
    )
    daily = -(found["numbers"] or ZERO) / (MONTH // DAY)
    if found["calls"]:
        # An account that has begun yesterday has spent all that in a day.
        daily -= found["calls"] / Decimal(min(WINDOW, max(DAY, now - found["since"])) / DAY)
    return max(0, int(max(balance, ZERO) / daily)) if daily > 0 else None
