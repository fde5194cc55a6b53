"""Part of `manage.py ledger verify`: purchases and months of numbers against what was booked for them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO, format_money
from phone_numbers.models import NumberPurchase, PhoneNumber

_MONTH_KEY = re.compile(r"number:([0-9]+):[0-9]{4}-[0-9]{2}")
_PURCHASE_KEY = re.compile(r"purchase:([0-9]+):(?:setup|month)(?::refund)?")


def check_purchases() -> Iterator[str]:
    """A purchase has cost setup and first month; one that came to nothing, nothing."""
    booked: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for key, developer_id, amount in _entries("purchase:"):
        if found := _PURCHASE_KEY.fullmatch(key):
            booked[int(found[1]), developer_id] -= amount
        else:
            yield f"{key}: names no part of a purchase"
    for purchase in NumberPurchase.objects.order_by("pk").iterator():
        cost = ZERO if purchase.status == purchase.Status.REFUNDED else purchase.setup_cost + purchase.monthly_cost
        if (found_cost := booked.pop((purchase.pk, purchase.developer_id), ZERO)) != cost:
            yield f"purchase {purchase.pk}: cost {format_money(cost)}, booked {format_money(found_cost)}"
    for (pk, developer_id), amount in booked.items():
        yield f"purchase {pk} of developer {developer_id}: is not there, booked {format_money(amount)}"


def check_months() -> Iterator[str]:
    """Whoever paid for a month of a number has, or had, that number; each month after the first was paid once."""
    owners = dict(PhoneNumber.objects.values_list("pk", "developer_id"))
    paid: dict[int, int] = defaultdict(int)
    for key, developer_id, _ in _entries("number:"):
        found = _MONTH_KEY.fullmatch(key)
        if found and owners.get(int(found[1])) == developer_id:
            paid[int(found[1])] += 1
        else:
            yield f"{key}: is no month of a number of developer {developer_id}"
    for number in PhoneNumber.objects.filter(monthly_cost__gt=0).order_by("pk").iterator():
        # The first month is the purchase's.
        if paid[number.pk] != number.months_paid - 1:
            yield f"number {number.pk}: {number.months_paid - 1} renewals, booked {paid[number.pk]}"


def _entries(prefix: str) -> Iterator[tuple[str, int, Decimal]]:
    entries = LedgerEntry.objects.filter(key__startswith=prefix).order_by("pk")
    yield from entries.values_list("key", "developer_id", "amount").iterator()
