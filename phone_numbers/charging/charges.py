"""Charges for a number: its setup fee, and each month in advance, once per key (`number:7:2026-12`)."""

from datetime import datetime
from decimal import Decimal

from billing import ledger
from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO
from phone_numbers.models import PhoneNumber


def charge_setup(number: PhoneNumber, cost: Decimal) -> None:
    """Call it in the transaction that creates the number."""
    _charge(number, "setup", LedgerEntry.Kind.NUMBER_SETUP, cost, "setup fee", number.created_at)


def charge_month(number: PhoneNumber, start: datetime, *, at: datetime) -> None:
    """Charge the month from `start`, paid at `at`."""
    name, what = f"{start:%Y-%m}", f"month from {start:%Y-%m-%d}"
    _charge(number, name, LedgerEntry.Kind.NUMBER_MONTH, number.monthly_cost, what, at)


def _charge(number: PhoneNumber, name: str, kind: str, cost: Decimal, what: str, at: datetime) -> None:
    if cost > ZERO:
        ledger.book_cost(
            developer_id=number.developer_id,
            key=f"number:{number.pk}:{name}",
            kind=kind,
            cost=cost,
            description=f"Number {number.e164}, {what}",
            at=at,
        )
