"""Numbers at Twilio, through its SDK and an exchange with its protocol: search, purchase, routing and release despite lost responses."""

from collections.abc import Iterator
from typing import Any

import pytest

from bubblyphone.core.errors import Conflict, UpstreamFailed
from phone_numbers import services
from phone_numbers.carriers.capabilities import NumberInventory
from phone_numbers.carriers.registry import able, forget_carriers
from phone_numbers.charging import purchases
from phone_numbers.models import PhoneNumber
from phone_numbers.services import buy_number, search_available
from tests import carriers
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import LossyProxy
from tests.long_runs import how_many
from tests.phone_numbers.test_killed_purchases import crash_at_every_step
from tests.phone_numbers.test_purchases import NUMBER, begin, later, make_buyer, outcome

pytestmark = pytest.mark.django_db
SID, TOKEN = "AC" + "0123456789abcdef" * 2, "twilio-token"
BUY = "POST IncomingPhoneNumbers.json"


@pytest.fixture
def network(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyProxy]:
    """A proxy between us and Twilio, which is the default carrier here."""
    monkeypatch.setattr("phone_numbers.carriers.twilio.client.PAUSE_SECONDS", 0.0)
    settings.DEFAULT_CARRIER = "twilio"
    with (
        ExchangeThread(twilio_accounts={SID: TOKEN}) as running,
        LossyProxy(running.exchange.url, set()) as proxy,
    ):
        options = {"account_sid": SID, "auth_token": TOKEN, "base_url": proxy.url}
        carriers.configure(settings, options, "twilio")
        proxy.owned = running.exchange.state.incoming_phone_numbers  # type: ignore[attr-defined]
        yield proxy
    forget_carriers()


def owned(network: LossyProxy) -> dict[str, dict[str, Any]]:
    """The account's numbers, by E.164."""
    return dict(network.owned)  # type: ignore[attr-defined]


def bought(network: LossyProxy) -> int:
    """The number of purchase requests."""
    return len([request for request in network.requests if request.method == "POST"])


def test_a_number_is_found_bought_routed_and_released(network: LossyProxy, settings: Any) -> None:
    offered, _ = search_available(country="US", area_code="415", limit=3)
    assert [each.phone_number for each in offered] == [NUMBER, "+14155550101", "+14155550102"]
    developer = make_buyer()
    number = buy_number(developer=developer, phone_number=NUMBER)
    row = owned(network)[NUMBER]
    at = f"{settings.PUBLIC_URL}/webhooks/twilio"
    assert (number.carrier, number.carrier_ref) == ("twilio", row["sid"])
    assert [row[name].partition("#")[0] for name in ("voice_url", "status_callback")] == [f"{at}/voice", f"{at}/status"]
    again, _ = search_available(country="US", area_code="415", limit=1)
    assert again[0].phone_number == "+14155550101"
    network.lost.add(f"DELETE {row['sid']}.json")
    with pytest.raises(UpstreamFailed):
        services.release_number(number=number)
    assert (owned(network), PhoneNumber.objects.get().status) == ({}, "active")
    network.lost.clear()  # retry
    services.release_number(number=number)
    assert (owned(network), PhoneNumber.objects.get().status) == ({}, "released")


def test_a_lost_response_is_looked_up(network: LossyProxy) -> None:
    developer = make_buyer()
    network.lost.add(BUY)
    number = buy_number(developer=developer, phone_number=NUMBER)
    assert (number.carrier_ref, bought(network)) == (owned(network)[NUMBER]["sid"], 1)
    assert outcome(developer) == ("bought", 1, 19, 19)


def test_lost_responses_are_looked_up_later(network: LossyProxy) -> None:
    developer = make_buyer()
    network.lost |= {BUY, "GET IncomingPhoneNumbers.json"}
    with pytest.raises(UpstreamFailed):
        buy_number(developer=developer, phone_number=NUMBER)
    later()
    assert outcome(developer) == ("pending", 0, 25, 19)
    network.lost.clear()
    for _ in range(2):
        later()
        assert outcome(developer) == ("bought", 1, 19, 19)
    assert bought(network) == 1


def test_a_process_that_crashed_after_buying(network: LossyProxy) -> None:
    developer = make_buyer()
    purchase = begin(developer)
    able("twilio", NumberInventory).order_number(e164=NUMBER, reference=str(purchase.reference))
    later()
    assert outcome(developer) == ("bought", 1, 19, 19)
    assert PhoneNumber.objects.get().carrier_ref == owned(network)[NUMBER]["sid"]


def test_a_process_that_crashed_before_buying(network: LossyProxy) -> None:
    developer = make_buyer()
    begin(developer)
    later()
    assert (outcome(developer), owned(network)) == (("refused", 0, 25, 25), {})


def test_a_number_that_was_just_sold_to_someone_else(network: LossyProxy) -> None:
    developer = make_buyer()
    purchase = begin(developer)
    able("twilio", NumberInventory).order_number(e164=NUMBER, reference="somebody else")
    with pytest.raises(Conflict):
        purchases.carry_out(purchase)
    assert outcome(developer) == ("refused", 0, 25, 25)
    later()
    assert outcome(developer) == ("refused", 0, 25, 25)


def test_a_crash_between_any_two_steps(network: LossyProxy) -> None:
    assert crash_at_every_step(how_many(3, long=1)) >= {(), ("bought",)}
    assert sorted(owned(network)) == sorted(PhoneNumber.objects.values_list("e164", flat=True))
