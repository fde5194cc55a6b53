"""How fast an account spends, and how long its balance will last."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min, Sum

from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO

WINDOW = timedelta(days=7)
# What calls and numbers cost; money that is taken back or put right is no habit.
SPENDING = [
    LedgerEntry.Kind.TELEPHONY,
    LedgerEntry.Kind.MODEL,
    LedgerEntry.Kind.TRANSCRIPTION,
    LedgerEntry.Kind.ANALYSIS,
    LedgerEntry.Kind.NUMBER_SETUP,
    LedgerEntry.Kind.NUMBER_MONTH,
]


def days_left(developer_id: int, balance: Decimal, now: datetime) -> int | None:
    """Whole days that the balance lasts at the rate of the last week; None where nothing was spent in it."""
    spent = LedgerEntry.objects.filter(developer_id=developer_id, created_at__gte=now - WINDOW, kind__in=SPENDING)
    found = spent.aggregate(sum=Sum("amount"), first=Min("created_at"))
    if not found["sum"]:
        return None
    # An account that has begun yesterday has spent all that in a day.
    days = Decimal(min(WINDOW, max(timedelta(days=1), now - found["first"])) / timedelta(days=1))
    return max(0, int(max(balance, ZERO) / (-found["sum"] / days)))
