"""Call me first: the developer's own phone rings, and a key press connects the call."""

import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.agent_settings.call_config import CallConfig
from billing import ledger
from bubblyphone.core.errors import Forbidden, InvalidRequest
from calls.control import call_me_first, lifecycle
from calls.models import Call, Transfer, Utterance
from calls.policy import services as policies
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_agent
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.signed_in import assert_valid_page, signed_in_client
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


def report(call: Call, kind: CarrierEventType, at: datetime | None = None, **fields: Any) -> None:
    """Apply an event that the carrier reports."""
    event = CarrierEvent(
        type=kind,
        event_id=f"{kind}-{time.monotonic_ns()}",
        carrier_call_id=call.carrier_call_id or "",
        occurred_at=at or timezone.now(),
        carrier=call.carrier,
        **fields,
    )
    lifecycle.store_carrier_event(event)
    lifecycle.apply_carrier_event(event)
    call.refresh_from_db()


def answered_call(number: PhoneNumber) -> Call:
    call = call_me_first.place(developer=number.developer, number=number, own_phone=ME, to=TO)
    report(call, CarrierEventType.ANSWERED)
    return call


def test_a_key_press_connects_and_speech_is_ignored(number: PhoneNumber) -> None:
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


def answered_leg(call: Call, transfer: Transfer, at: datetime) -> None:
    leg = Call(carrier=call.carrier, carrier_call_id="leg", pk=call.pk)
    report(leg, CarrierEventType.ANSWERED, at, client_state=f"{call.pk}:transfer:{transfer.pk}")


def test_both_phones_are_charged(number: PhoneNumber) -> None:
    before, start = ledger.balance(number.developer_id), timezone.now()
    call = call_me_first.place(developer=number.developer, number=number, own_phone=ME, to=TO)
    report(call, CarrierEventType.ANSWERED, start)
    report(call, CarrierEventType.DTMF, start + timedelta(seconds=5), detail="1")
    answered_leg(call, Transfer.objects.get(), start + timedelta(seconds=30))
    report(call, CarrierEventType.ENDED, start + timedelta(seconds=150), cause="normal_clearing")
    rate = call.telephony_rate
    assert rate > 0 and call.transfer_rate == 2 * rate  # one minute for one phone, two for both
    assert (call.telephony_cost, call.model_cost, call.transcription_cost) == (5 * rate, Decimal(0), Decimal(0))
    assert before - ledger.balance(number.developer_id) == 5 * rate
    client = signed_in_client(number.developer)
    for address in (f"/calls/{call.pk}", "/calls"):
        html = client.get(address).content.decode()
        assert_valid_page(html)
        assert "+1 202-555-0123" in html and "You were connected." in html
        assert "Greeting" not in html
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert 'Call to <span class="number">+1 202-555-0123' in html
    assert 'your phone <span class="number">+1 202-555-0100' in html
    assert "agent=me" in html and "Both phones" in html


def test_a_key_press_reported_late_does_not_call_again(number: PhoneNumber) -> None:
    call = answered_call(number)
    report(call, CarrierEventType.DTMF, detail="1")
    pressed_while_it_rang = timezone.now()
    me_first_leg = {"client_state": f"{call.pk}:transfer:{Transfer.objects.get().pk}"}
    report(
        Call(carrier=call.carrier, carrier_call_id="leg", pk=call.pk),
        CarrierEventType.ENDED,
        cause="busy",
        **me_first_leg,
    )
    report(call, CarrierEventType.DTMF, pressed_while_it_rang, detail="2")
    assert Transfer.objects.count() == 1
    # Nobody presses a key again. A phone left off the hook must not cost an hour-long call.
    failed_at = Transfer.objects.get().failed_at
    assert failed_at is not None
    call_me_first.end_unconfirmed(failed_at + timedelta(seconds=59))
    call.refresh_from_db()
    assert call.end_requested_at is None
    call_me_first.end_unconfirmed(failed_at + timedelta(seconds=61))
    call.refresh_from_db()
    assert call.end_requested_cause == "silence_timeout"
    report(call, CarrierEventType.DTMF, detail="1")
    assert Transfer.objects.count() == 1


def test_the_instructions_are_repeated_and_cannot_be_interrupted(number: PhoneNumber) -> None:
    number.agent = make_agent(
        developer=number.developer,
        language="de-DE",
        analysis_schema={"mood": {"type": "string", "description": "?"}},
        max_call_duration=120,
    )
    number.save()
    call = answered_call(number)
    assert call.settings.analysis_schema is None and call.settings.max_call_duration == 120
    assert not call.settings.interruptible and call.settings.language == CallConfig().language
    report(call, CarrierEventType.CALLER_SPEAKS)
    assert not call.events.filter(event_type="speak.interrupted").exists()
    assert call.answered_at is not None
    for seconds, announcements in ((19, 1), (21, 2), (22, 2), (41, 3)):
        call_me_first.ask_again(call.answered_at + timedelta(seconds=seconds))
        assert Utterance.objects.count() == announcements
    report(call, CarrierEventType.DTMF, detail="1")
    call_me_first.ask_again(call.answered_at + timedelta(seconds=61))
    call_me_first.end_unconfirmed(call.answered_at + timedelta(seconds=61))
    call.refresh_from_db()
    assert (Utterance.objects.count(), call.end_requested_at) == (3, None)


def test_without_a_key_press_nobody_is_connected(number: PhoneNumber) -> None:
    call, now = answered_call(number), timezone.now()
    call_me_first.end_unconfirmed(now + timedelta(seconds=50))
    call.refresh_from_db()
    assert call.end_requested_at is None
    call_me_first.end_unconfirmed(now + timedelta(seconds=62))
    call.refresh_from_db()
    assert (call.end_requested_cause, Transfer.objects.count()) == ("silence_timeout", 0)


def test_a_refused_number_is_refused_before_anybody_is_called(number: PhoneNumber) -> None:
    developer = number.developer
    policies.add(developer_id=developer.pk, phone_number=TO, source="page")
    with pytest.raises(Forbidden):
        call_me_first.place(developer=developer, number=number, own_phone=ME, to=TO)
    with pytest.raises(InvalidRequest):
        call_me_first.place(developer=developer, number=number, own_phone=ME, to=ME)
    assert not Call.objects.exists()


def test_a_number_refused_during_the_call_is_announced(number: PhoneNumber) -> None:
    call = answered_call(number)
    before = ledger.balance(number.developer_id)
    policies.add(developer_id=number.developer_id, phone_number=TO, source="page")
    report(call, CarrierEventType.DTMF, detail="1")
    assert not Transfer.objects.exists()
    assert call.events.get(event_type="transfer.failed").metadata["reason"] == "do_not_call"
    assert Utterance.objects.last().text == "This call cannot be placed right now."  # type: ignore[union-attr]
    assert (call.status, ledger.balance(number.developer_id)) == ("answered", before)
