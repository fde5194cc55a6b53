"""How calls end, and what they then cost."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from billing import ledger
from billing.models import LedgerEntry
from calls.clock import metering, sweeper
from calls.control import lifecycle
from calls.models import Call, CallEvent, HangupCause
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def running_call(balance: str = "10", **fields: Any) -> Call:
    return make_call(make_streaming_number(make_account(balance)), BEGIN, **fields)


def hang_up_report(call: Call, seconds: float, cause: str = "normal_clearing") -> None:
    from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType

    event = CarrierEvent(
        type=CarrierEventType.ENDED,
        event_id=f"{call.pk}:{seconds}:{cause}",
        carrier_call_id=call.carrier_call_id or "",
        occurred_at=after(seconds),
        cause=cause,
        carrier="telnyx",
    )
    with transaction.atomic():
        lifecycle.apply_carrier_event(event)
    call.refresh_from_db()


@pytest.mark.parametrize(
    ("seconds", "duration", "telephony", "model"),
    [
        (95, 95, "0.08", "0.063"),  # the documented example
        (0.2, 1, "0.04", "0.001"),
        (60, 60, "0.04", "0.04"),
        (60.3, 61, "0.08", "0.041"),
        (120, 120, "0.08", "0.08"),
        (3600, 3600, "2.40", "2.40"),
        (3700, 3600, "2.40", "2.40"),  # time past the maximum duration is never billed
    ],
)
def test_the_bill_follows_the_duration(seconds: float, duration: int, telephony: str, model: str) -> None:
    call = running_call()
    hang_up_report(call, seconds)
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("completed", "normal_clearing", duration)
    assert (call.telephony_cost, call.model_cost) == (Decimal(telephony), Decimal(model))
    entries = LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:")
    assert {entry.key: entry.amount for entry in entries} == {
        f"call:{call.pk}:telephony": -Decimal(telephony),
        f"call:{call.pk}:model": -Decimal(model),
    }
    assert ledger.balance(call.developer_id) == Decimal(10) - Decimal(telephony) - Decimal(model)


def test_a_second_report_of_the_end_changes_nothing() -> None:
    call = running_call()
    hang_up_report(call, 95)
    before = (call.ended_at, ledger.balance(call.developer_id), WebhookDelivery.objects.count())
    hang_up_report(call, 200)
    assert (call.ended_at, ledger.balance(call.developer_id), WebhookDelivery.objects.count()) == before


def test_the_final_webhooks_have_the_documented_shapes() -> None:
    call = running_call()
    hang_up_report(call, 95)
    bodies = {hook.event_type: hook.body for hook in WebhookDelivery.objects.filter(subject=f"call:{call.pk}")}
    assert bodies["call.ended"] == (
        f'{{"event":"call.ended","call_id":"{call.pk}","duration_seconds":95,"telephony_cost":"0.08","model_cost":"0.063",'
        '"total_cost":"0.143","hangup_cause":"normal_clearing","timestamp":"2026-11-20T12:01:35Z"}'
    )
    assert json.loads(bodies["call.hangup"]) == {
        "event": "call.hangup",
        "call_id": str(call.pk),
        "duration_seconds": 95,
        "cost": 0.143,
        "hangup_cause": "normal_clearing",
        "timestamp": "2026-11-20T12:01:35Z",
    }


@pytest.mark.parametrize("cause", ["busy", "no_answer", "rejected", "invalid_number"])
def test_a_call_that_nobody_answered_fails_and_costs_nothing(cause: str) -> None:
    call = running_call(status="ringing", answered_at=None)
    hang_up_report(call, 20, cause)
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("failed", cause, 0)
    assert ledger.balance(call.developer_id) == Decimal(10)


def test_a_call_that_we_end_is_billed_until_our_request() -> None:
    call = running_call()
    lifecycle.end_call(call.pk, HangupCause.SILENCE_TIMEOUT, at=after(50))
    call.refresh_from_db()
    assert call.status == "answered"
    hang_up_report(call, 65)
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("completed", "silence_timeout", 50)
    assert call.telephony_cost == Decimal("0.04")


def test_an_answer_reported_after_the_grace_period_is_charged_once() -> None:
    from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType

    call = running_call(status="ringing", answered_at=None)
    hang_up_report(call, 30)
    assert call.status == "ringing"
    sweeper.finish_hung_up(after(30) + timedelta(seconds=6))
    call.refresh_from_db()
    assert (call.status, call.hangup_cause) == ("failed", "no_answer")
    late = CarrierEvent(
        type=CarrierEventType.ANSWERED,
        event_id="late",
        carrier_call_id=call.carrier_call_id or "",
        occurred_at=after(10),
        carrier="telnyx",
    )
    for _ in range(2):
        lifecycle.apply_carrier_event(late)
    call.refresh_from_db()
    assert (call.status, call.duration_seconds) == ("completed", 20)
    assert ledger.balance(call.developer_id) == Decimal("10") - Decimal("0.04") - Decimal("0.013")
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.hangup")
    assert hooks.count() == 1


def test_a_media_stream_proves_an_answer_that_was_never_reported() -> None:
    call = running_call(status="ringing", answered_at=None)
    CallEvent.objects.create(call=call, event_type="stream.connected", source="streaming", event_timestamp=after(2))
    hang_up_report(call, 32)
    sweeper.finish_hung_up(after(60))
    call.refresh_from_db()
    assert (call.status, call.duration_seconds) == ("completed", 30)


def test_calls_end_when_their_total_cost_reaches_the_balance() -> None:
    number = make_streaming_number(make_account("0.50"))
    calls = [make_call(number, BEGIN) for _ in range(5)]
    other = running_call("10")
    # Five first minutes cost 0.20. The model adds 5 times 0.04 per minute.
    metering.meter_once(after(50))
    assert not Call.objects.filter(pk__in=[call.pk for call in calls], end_requested_at__isnull=False).exists()
    metering.meter_once(after(61))
    for call in calls:
        call.refresh_from_db()
        assert (call.end_requested_cause, call.end_requested_at) == ("insufficient_balance", after(61))
        hang_up_report(call, 63)
        assert call.hangup_cause == "insufficient_balance"
    other.refresh_from_db()
    assert other.end_requested_at is None
    # The balance falls below zero by at most the minutes already started and one second of metering.
    assert ledger.balance(number.developer_id) >= Decimal("0.50") - 5 * (Decimal("0.08") + Decimal("0.041"))


def test_the_maximum_duration_applies_without_the_session() -> None:
    call = running_call()
    metering.meter_once(after(3599))
    call.refresh_from_db()
    assert call.end_requested_at is None
    metering.meter_once(after(3600.5))
    call.refresh_from_db()
    assert call.end_requested_cause == "max_duration"


def test_a_call_whose_process_died_is_billed_until_it_was_last_seen() -> None:
    call = running_call(session_seen_at=after(40))
    for seconds in (54, 56, 80):
        sweeper.end_abandoned(after(seconds))
        sweeper.reconnect_streams(after(seconds))
        call.refresh_from_db()
        assert call.end_requested_at is None
    assert call.stream_lost_at == after(56)
    sweeper.reconnect_streams(after(82))
    call.refresh_from_db()
    assert call.end_requested_at == after(40)
    hang_up_report(call, 57)
    assert (call.status, call.duration_seconds, call.telephony_cost) == ("completed", 40, Decimal("0.04"))


def test_a_call_that_was_never_dialed_fails() -> None:
    call = running_call(status="initiated", answered_at=None, carrier_call_id=None, direction="outbound")
    sweeper.end_never_dialed(after(50))
    call.refresh_from_db()
    assert call.status == "initiated"
    sweeper.end_never_dialed(after(70))
    call.refresh_from_db()
    assert (call.status, call.hangup_cause) == ("failed", "carrier_failed")
    assert ledger.balance(call.developer_id) == Decimal(10)


def test_an_unused_sandbox_call_fails_and_costs_nothing() -> None:
    call = running_call(status="initiated", answered_at=None, carrier_call_id=None, sandbox=True)
    sweeper.end_unused_sandbox(after(50))
    call.refresh_from_db()
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", "no_answer", Decimal(0))
