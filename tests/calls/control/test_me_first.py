"""Call me first: the reader's phone rings, and a key connects them."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger
from bubblyphone.core.errors import Forbidden, InvalidRequest
from calls.control import lifecycle, me_first
from calls.models import Call, Transfer, Utterance
from calls.policy import services as policies
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_streaming_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.conftest import configure_carrier, exchange
from webhooks.models import WebhookDelivery

__all__ = ["configure_carrier", "exchange"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
ME, TO = "+12025550100", "+12025550123"


@pytest.fixture
def number(exchange: ExchangeThread) -> PhoneNumber:
    made = make_streaming_number(make_account(), model_slug="local-offline")
    exchange.exchange.own(made.e164)
    return made


def report(call: Call, kind: CarrierEventType, **fields: Any) -> None:
    """What the carrier says happened."""
    event = CarrierEvent(
        type=kind,
        event_id=f"{kind}-{time.monotonic_ns()}",
        carrier_call_id=call.carrier_call_id or "",
        occurred_at=timezone.now(),
        carrier=call.carrier,
        **fields,
    )
    lifecycle.store_carrier_event(event)
    lifecycle.apply_carrier_event(event)
    call.refresh_from_db()


def answered_call(number: PhoneNumber) -> Call:
    call = me_first.place(developer=number.developer, number=number, own_phone=ME, to=TO)
    report(call, CarrierEventType.ANSWERED)
    return call


def test_a_key_connects_and_nobody_else_speaks(number: PhoneNumber) -> None:
    call = answered_call(number)
    assert (call.to_number, call.connect_to, call.mode, call.agent) == (ME, TO, "webhook", None)
    assert Utterance.objects.get().text == "Press any key to call 1 2 0 2 5 5 5 0 1 2 3."
    report(call, CarrierEventType.TRANSCRIPTION, detail="Hello?")
    assert not WebhookDelivery.objects.filter(event_type="call.speech").exists()
    assert not Transfer.objects.exists()
    report(call, CarrierEventType.DTMF, detail="1")
    report(call, CarrierEventType.DTMF, detail="2")  # while it rings
    transfer = Transfer.objects.get()
    assert (transfer.to_number, transfer.briefing) == (TO, "")
    leg = {"client_state": f"{call.pk}:transfer:{transfer.pk}"}
    report(
        Call(carrier=call.carrier, carrier_call_id="leg", pk=call.pk), CarrierEventType.ENDED, cause="no_answer", **leg
    )
    assert Utterance.objects.last().text == "Nobody answered. Press any key to try again."  # type: ignore[union-attr]
    report(call, CarrierEventType.DTMF, detail="1")
    assert Transfer.objects.count() == 2


def test_whoever_presses_no_key_is_not_connected(number: PhoneNumber) -> None:
    call, now = answered_call(number), timezone.now()
    me_first.end_unconfirmed(now + timedelta(seconds=50))
    call.refresh_from_db()
    assert call.end_requested_at is None
    me_first.end_unconfirmed(now + timedelta(seconds=62))
    call.refresh_from_db()
    assert (call.end_requested_cause, Transfer.objects.count()) == ("silence_timeout", 0)


def test_what_is_refused_is_refused_before_anybody_is_called(number: PhoneNumber) -> None:
    developer = number.developer
    policies.add(developer_id=developer.pk, phone_number=TO, source="page")
    with pytest.raises(Forbidden):
        me_first.place(developer=developer, number=number, own_phone=ME, to=TO)
    with pytest.raises(InvalidRequest):
        me_first.place(developer=developer, number=number, own_phone=ME, to=ME)
    assert not Call.objects.exists()


def test_what_is_refused_meanwhile_is_said(number: PhoneNumber) -> None:
    call = answered_call(number)
    before = ledger.balance(number.developer_id)
    policies.add(developer_id=number.developer_id, phone_number=TO, source="page")
    report(call, CarrierEventType.DTMF, detail="1")
    assert not Transfer.objects.exists()
    assert call.events.get(event_type="transfer.failed").metadata["reason"] == "do_not_call"
    assert Utterance.objects.last().text == "This call is not possible now."  # type: ignore[union-attr]
    assert (call.status, ledger.balance(number.developer_id)) == ("answered", before)
