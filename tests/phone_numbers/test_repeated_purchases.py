"""A purchase that a client repeats because it got no response is still one purchase."""

import json
from decimal import Decimal
from typing import Any

import pytest

from billing import ledger
from phone_numbers.models import NumberPurchase, PhoneNumber
from phone_numbers.services import search_available
from tests.factories import bearer, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.long_runs import how_many
from tests.repeats import post_repeatedly

REPEATS = how_many(15, long=50)  # for each of the ten purchases


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_concurrent_purchases_buy_one_number_per_key(
    live_server: Any, exchange: ExchangeThread, empty_redis: object, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 100_000
    developer = make_developer()
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(100), key="credit")
    offered, _ = search_available(country="US", area_code="415", limit=10)
    bodies = {f"order-{number.phone_number}": {"phone_number": number.phone_number} for number in offered}
    assert len(bodies) == 10
    answers = post_repeatedly(
        live_server.url, "/api/v1/phone-numbers", bearer(developer), bodies, threads=2 * REPEATS, together=2
    )
    assert {len(found) for found in answers.values()} == {REPEATS}
    assert {len(set(found)) for found in answers.values()} == {1}
    assert {found[0][0] for found in answers.values()} == {201}
    bought = {json.loads(found[0][1])["data"]["phone_number"] for found in answers.values()}
    assert bought == {body["phone_number"] for body in bodies.values()}
    assert (PhoneNumber.objects.count(), NumberPurchase.objects.count()) == (10, 10)
    assert ledger.balance(developer.pk) == 40
