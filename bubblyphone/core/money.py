"""Exact money: USD, six places in the database, rounded once where an entry is made."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MONEY_FIELD: dict[str, Any] = {"max_digits": 18, "decimal_places": 6}
ZERO = Decimal("0")
MILLS = Decimal("0.001")


def round_half_up(amount: Decimal, step: Decimal = MILLS) -> Decimal:
    """Round to a multiple of `step` (a power of ten), halves away from zero."""
    return amount.quantize(step, rounding=ROUND_HALF_UP)


def format_amount(amount: Decimal | None) -> str | None:
    """`format_money`, or None for None."""
    return None if amount is None else format_money(amount)


def format_money(amount: Decimal) -> str:
    """At least two decimals, no trailing zeros beyond the second: "0.10", "0.063", "6.00"."""
    whole, _, fraction = f"{amount:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
