"""A purchase whose process crashes between any two steps ends bought and paid or neither, and can be repeated."""

from decimal import Decimal

import pytest

from billing import ledger
from phone_numbers.models import NumberPurchase, PhoneNumber
from phone_numbers.services import buy_number, search_available
from tests.deaths import deaths
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.test_purchases import later, make_buyer


@pytest.mark.django_db
def test_a_crash_between_any_two_steps(exchange: ExchangeThread) -> None:
    assert crash_at_every_step() == {(), ("refused",), ("bought",)}


def crash_at_every_step(every: int = 1) -> set[tuple[str, ...]]:
    """Crash a purchase at the default carrier at every step. Returns the resulting purchase statuses."""
    buyer = make_buyer("500")
    found, _ = search_available(country="US", area_code="415")
    offered = iter([number.phone_number for number in found])
    number = next(offered)

    def work() -> None:
        buy_number(developer=buyer, phone_number=number)

    ends: set[tuple[str, ...]] = set()
    for _ in deaths(work, every=every):
        later()
        later()
        statuses = list(NumberPurchase.objects.filter(e164=number).values_list("status", flat=True))
        owned = PhoneNumber.objects.filter(developer=buyer, e164=number).count()
        assert (statuses, owned) in [([], 0), (["refused"], 0), (["bought"], 1)]
        ends.add(tuple(statuses))
        if not owned:
            work()
        assert PhoneNumber.objects.filter(developer=buyer, e164=number).count() == 1
        assert ledger.balance(buyer.pk) == 500 - 6 * PhoneNumber.objects.filter(developer=buyer).count()
        number = next(offered)
    assert ledger.balance(buyer.pk) == 500 - Decimal(6) * PhoneNumber.objects.count()
    return ends
