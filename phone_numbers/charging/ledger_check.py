"""Part of `manage.py ledger verify`: compares the costs of numbers with the booked amounts."""

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from billing.models import Cost
from bubblyphone.core.money import ZERO, format_money
from phone_numbers.models import NumberPurchase, PhoneNumber

_KEY = re.compile(r"number:([0-9]+):(setup|[0-9]{4}-[0-9]{2})")


def check_numbers() -> Iterator[str]:
    """An account that paid for a number has, or had, it; its setup fee and each of its months were paid once."""
    owners = dict(PhoneNumber.objects.values_list("pk", "developer_id"))
    setup: dict[int, Decimal] = defaultdict(Decimal)
    months: dict[int, int] = defaultdict(int)
    entries = Cost.objects.filter(key__startswith="number:").order_by("created_at", "pk")
    for key, developer_id, amount in entries.values_list("key", "developer_id", "amount").iterator():
        found = _KEY.fullmatch(key)
        if found is None or owners.get(int(found[1])) != developer_id:
            yield f"{key}: developer {developer_id} has no such number"
        elif found[2] == "setup":
            setup[int(found[1])] -= amount
        else:
            months[int(found[1])] += 1
    bought = dict(NumberPurchase.objects.filter(status="bought").values_list("phone_number_id", "setup_cost"))
    for number in PhoneNumber.objects.order_by("pk").iterator():
        cost = bought.get(number.pk, ZERO)
        if setup[number.pk] != cost:
            yield f"number {number.pk}: setup costs {format_money(cost)}, charged {format_money(setup[number.pk])}"
        # The first month is part of the purchase.
        owed = number.months_paid if number.pk in bought else number.months_paid - 1
        if number.monthly_cost and months[number.pk] != owed:
            yield f"number {number.pk}: {owed} months due, {months[number.pk]} charged"
