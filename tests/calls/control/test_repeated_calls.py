"""Clients that miss the response and repeat their request place one call."""

import json
from typing import Any

import pytest

from calls.models import Call
from phone_numbers.services import buy_number, search_available
from tests.calls.rows import make_account
from tests.factories import bearer
from tests.fakes.exchange_thread import ExchangeThread
from tests.long_runs import how_many
from tests.phone_numbers.conftest import configure_carrier, exchange
from tests.repeats import post_repeatedly

__all__ = ["configure_carrier", "exchange"]
KEYS, THREADS, TOGETHER = how_many(18, long=60), 25, 3


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_place_one_call_per_key(
    live_server: Any, exchange: ExchangeThread, empty_redis: object, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 100_000
    developer = make_account("100")
    number = buy_number(developer=developer, phone_number=search_available(country="US", limit=1)[0][0].phone_number)
    bodies = {f"order-{place}": {"from": number.e164, "to": f"+120255501{place:02}"} for place in range(KEYS)}
    headers = bearer(developer)
    answers = post_repeatedly(live_server.url, "/api/v1/calls", headers, bodies, threads=THREADS, together=TOGETHER)
    assert sum(len(found) for found in answers.values()) == KEYS // TOGETHER * THREADS == how_many(150, long=500)
    assert {len(set(found)) for found in answers.values()} == {1}
    assert {found[0][0] for found in answers.values()} == {201}
    called = {json.loads(found[0][1])["data"]["to"] for found in answers.values()}
    assert called == {body["to"] for body in bodies.values()}
    assert Call.objects.count() == KEYS
    assert len({call.carrier_call_id for call in Call.objects.all()}) == KEYS
