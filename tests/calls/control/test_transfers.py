"""Transfers, and answering machines: states, bills and webhooks."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from billing.models import LedgerEntry
from calls.charging import balance_holds
from calls.clock import metering, sweeper
from calls.control import inbound, transfers
from calls.models import Call, CallEvent, CarrierEventRecord, Transfer
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import WebhookDelivery

BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERSON = "+12025559999"
pytestmark = pytest.mark.django_db


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def running_call(**fields: Any) -> Call:
    return make_call(make_streaming_number(make_account()), BEGIN, **fields)


def report(call: Call, kind: CarrierEventType, seconds: float, *, leg: Transfer | None = None, **fields: Any) -> None:
    """Apply a carrier event of the call's own leg, or of its second leg."""
    control = f"v3:leg:{leg.pk}" if leg else call.carrier_call_id or ""
    state = f"{call.pk}:transfer:{leg.pk}" if leg else str(call.pk)
    event_id = f"{control}:{kind}:{seconds}"
    inbound.receive(
        CarrierEvent(kind, event_id, control, after(seconds), client_state=state, **fields, carrier="telnyx")
    )
    call.refresh_from_db()


def post(call: Call, action: str, body: dict[str, Any]) -> Any:
    headers = factories.bearer(call.developer)
    return Client().post(f"/api/v1/calls/{call.pk}/{action}", body, content_type="application/json", headers=headers)


def begin_transfer(call: Call) -> Transfer:
    answer = post(call, "transfer", {"to": PERSON})
    assert (answer.status_code, answer.json()["data"]["id"]) == (200, call.pk)
    return Transfer.objects.get(call=call, failed_at=None)


def events(call: Call) -> list[str]:
    return list(CallEvent.objects.filter(call=call).order_by("id").values_list("event_type", flat=True))


def entries(call: Call) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:")
    return {row.key.rpartition(":")[2]: -row.amount for row in rows}


@pytest.mark.parametrize(
    ("answered", "ended", "bill"),
    [
        # Outbound US 0.05, inbound 0.04. Each phase has its own started minutes; the model runs only in the first.
        (95, 155, {"telephony": "0.08", "transfer": "0.05", "model": "0.063"}),
        (60.3, 120.2, {"telephony": "0.08", "transfer": "0.05", "model": "0.041"}),
        (60, 180.5, {"telephony": "0.04", "transfer": "0.15", "model": "0.04"}),
        (10, 4000, {"telephony": "0.04", "transfer": "3.00", "model": "0.007"}),  # the maximum duration applies
    ],
)
def test_a_transferred_call_is_billed_in_two_phases(answered: float, ended: float, bill: dict[str, str]) -> None:
    call = running_call()
    leg = begin_transfer(call)
    report(call, CarrierEventType.INITIATED, 8, leg=leg, direction="outbound")
    report(call, CarrierEventType.ANSWERED, answered, leg=leg)
    report(call, CarrierEventType.ANSWERED, answered + 1, leg=leg)
    assert (call.transferred_at, call.transfer_rate) == (after(answered), Decimal("0.05"))
    report(call, CarrierEventType.ENDED, ended, leg=leg, cause="normal_clearing")
    report(call, CarrierEventType.ENDED, ended, cause="normal_clearing")
    assert (call.status, call.hangup_cause) == ("completed", "transferred")
    assert entries(call) == {name: Decimal(amount) for name, amount in bill.items()}
    assert call.total_cost == sum(entries(call).values())
    assert events(call) == ["transfer.requested", "transfer.answered", "call.ended"]
    (hook,) = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.hangup")
    assert json.loads(hook.body)["hangup_cause"] == "transferred"


def test_a_running_transfer_is_metered_at_its_own_rate() -> None:
    call = running_call()
    report(call, CarrierEventType.ANSWERED, 60, leg=begin_transfer(call))
    assert balance_holds.accrued_cost(call, after(90)) == Decimal("0.04") + Decimal("0.05") + Decimal("0.04")
    sweeper.end_abandoned(after(300))  # does nothing: the session of a transferred call has ended
    metering.meter_once(after(3601))
    call.refresh_from_db()
    assert call.end_requested_cause == "max_duration"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_reports_of_a_transferred_call_can_arrive_in_any_order(order: tuple[int, ...]) -> None:
    call = running_call()
    leg = begin_transfer(call)
    Transfer.objects.update(sent_at=after(5))
    for number in (*order, *order):
        if number == 0:
            report(call, CarrierEventType.ANSWERED, 95, leg=leg)
        else:
            report(call, CarrierEventType.ENDED, 155, leg=leg if number == 1 else None, cause="normal_clearing")
    assert (call.status, call.hangup_cause) == ("completed", "transferred")
    assert entries(call) == {"telephony": Decimal("0.08"), "transfer": Decimal("0.05"), "model": Decimal("0.063")}
    assert events(call) == ["transfer.requested", "transfer.answered", "call.ended"]
    assert WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.hangup").count() == 1


@pytest.mark.parametrize("is_caller_first", [True, False])
def test_a_caller_hangs_up_while_the_second_leg_rings(is_caller_first: bool) -> None:
    call = running_call()
    leg = begin_transfer(call)
    Transfer.objects.update(sent_at=after(5))
    if is_caller_first:
        report(call, CarrierEventType.ENDED, 20, cause="normal_clearing")
        assert (call.status, call.hangup_reported_at) == ("answered", after(20))
    report(call, CarrierEventType.ENDED, 20, leg=leg, cause="no_answer")
    report(call, CarrierEventType.ENDED, 20, cause="normal_clearing")
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("completed", "normal_clearing", 20)
    assert events(call) == ["transfer.requested", "transfer.failed", "call.ended"]


def test_an_unreported_answer_of_the_second_leg_is_not_awaited() -> None:
    hung_up, waiting = running_call(), running_call()
    for call in (hung_up, waiting):
        leg = begin_transfer(call)
        Transfer.objects.filter(pk=leg.pk).update(sent_at=after(5))
        report(call, CarrierEventType.ENDED, 20, leg=leg, cause="normal_clearing")
    report(hung_up, CarrierEventType.ENDED, 20, cause="normal_clearing")
    CarrierEventRecord.objects.update(received_at=after(20))
    for seconds, failed in ((24, 0), (26, 2)):
        sweeper.fail_lost_transfers(after(seconds))
        assert Transfer.objects.filter(failed_at=after(seconds), reason="no_answer").count() == failed
    sweeper.finish_hung_up(after(26))
    hung_up.refresh_from_db()
    waiting.refresh_from_db()
    assert (hung_up.status, hung_up.hangup_cause) == ("completed", "normal_clearing")
    assert (waiting.status, waiting.hangup_reported_at) == ("answered", None)


@pytest.mark.parametrize(("cause", "reason"), [("busy", "busy"), ("no_answer", "no_answer"), ("", "no_answer")])
def test_an_unanswered_leg_does_not_change_the_call(cause: str, reason: str) -> None:
    call = running_call()
    leg = begin_transfer(call)
    assert post(call, "transfer", {"to": PERSON}).status_code == 409
    report(call, CarrierEventType.ENDED, 20, leg=leg, cause=cause)
    leg.refresh_from_db()
    assert (call.status, call.transferred_at, leg.reason) == ("answered", None, reason)
    assert post(call, "transfer", {"to": PERSON}).status_code == 200
    report(call, CarrierEventType.ENDED, 95, cause="normal_clearing")
    assert (call.hangup_cause, entries(call)) == (
        "normal_clearing", {"telephony": Decimal("0.08"), "model": Decimal("0.063")},
    )  # fmt: skip


def test_a_webhook_reports_that_nobody_was_reached() -> None:
    call = running_call(mode="webhook", model_rate=Decimal(0))
    report(call, CarrierEventType.ENDED, 20, leg=begin_transfer(call), cause="busy")
    (hook,) = WebhookDelivery.objects.filter(event_type="call.transfer.failed")
    assert (json.loads(hook.body)["to"], json.loads(hook.body)["reason"]) == (PERSON, "busy")


def test_a_transfer_without_reports_fails() -> None:
    call = running_call()
    leg = begin_transfer(call)
    Transfer.objects.filter(pk=leg.pk).update(sent_at=after(1))
    sweeper.fail_lost_transfers(after(60))
    sweeper.fail_lost_transfers(after(95))
    leg.refresh_from_db()
    assert (leg.failed_at, leg.reason) == (after(95), "no_answer")


@pytest.mark.parametrize(
    ("credit", "limit", "reason"),
    [("0.47", None, "insufficient_balance"), ("10", Decimal("0.42"), "max_cost_per_call_too_low")],
)
def test_a_transfer_that_the_balance_does_not_cover_is_refused(credit: str, limit: Decimal | None, reason: str) -> None:
    """The second leg holds a minute to the Bahamas, $0.40. The call itself holds $0.08."""
    number = make_streaming_number(make_account(credit), max_cost_per_call=limit)
    call = make_call(number, timezone.now() - timedelta(seconds=30))
    answer = post(call, "transfer", {"to": "+12425550100"})
    assert (answer.status_code, answer.json()["reason"]) == (402, reason)
    assert not Transfer.objects.exists()
    (event,) = CallEvent.objects.filter(call=call)
    assert (event.event_type, event.source, event.metadata["reason"]) == ("transfer.failed", "api", reason)


def test_a_ringing_transfer_holds_its_first_minute() -> None:
    call = make_call(make_streaming_number(make_account("1")), timezone.now())
    assert ledger.balance_summary(call.developer_id).held == Decimal("0.08")
    leg = begin_transfer(call)
    assert ledger.balance_summary(call.developer_id).held == Decimal("0.13")
    transfers.fail(call, leg.pk, "busy", at=timezone.now())
    assert ledger.balance_summary(call.developer_id).held == Decimal("0.08")


def test_hanging_up_during_the_briefing_declines_the_transfer() -> None:
    call = running_call()
    assert post(call, "transfer", {"to": PERSON, "briefing": "Ada is calling."}).status_code == 200
    leg = Transfer.objects.get()
    report(call, CarrierEventType.ANSWERED, 8, leg=leg)
    report(call, CarrierEventType.SPEAK_ENDED, 9, leg=leg, detail="call_hangup")
    report(call, CarrierEventType.ENDED, 9, leg=leg, cause="normal_clearing")
    leg.refresh_from_db()
    assert (leg.answered_at, leg.failed_at, leg.reason) == (None, after(9), "rejected")
    assert events(call) == ["transfer.requested", "transfer.briefing", "transfer.failed"]
    assert (call.status, call.transferred_at) == ("answered", None)


def test_calls_that_cannot_be_transferred() -> None:
    call = running_call()
    for body in ({}, {"to": "911"}, {"to": 5}, {"to": "+99955512345"}):
        assert post(call, "transfer", body).status_code == 422
    assert post(running_call(status="ringing", answered_at=None), "transfer", {"to": PERSON}).status_code == 409
    assert post(running_call(sandbox=True, public_id="sandbox_x"), "transfer", {"to": PERSON}).status_code == 409
    report(call, CarrierEventType.ENDED, 20, cause="normal_clearing")
    assert post(call, "transfer", {"to": PERSON}).status_code == 409
    assert not Transfer.objects.exists()


def test_a_leg_of_an_unknown_call_is_ignored() -> None:
    state = "999999:transfer:1"
    inbound.receive(CarrierEvent(CarrierEventType.ANSWERED, "e", "v3:x", BEGIN, client_state=state, carrier="telnyx"))
    assert (
        transfers.leg_of(CarrierEvent(CarrierEventType.ENDED, "f", "v3:x", BEGIN, client_state="46", carrier="telnyx"))
        is None
    )


# --- voicemail --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seconds", [3, 70])
def test_hanging_up_on_an_answering_machine_costs_a_minute_and_no_model(seconds: float) -> None:
    call = running_call(direction="outbound", telephony_rate=Decimal("0.05"))
    report(call, CarrierEventType.MACHINE_DETECTED, seconds, detail="machine")
    assert (call.voicemail_detected, call.end_requested_at) == (True, None)  # it may still ask who is calling
    report(call, CarrierEventType.MACHINE_GREETING_ENDED, seconds + 0.5, detail="no_beep_detected")
    assert call.end_requested_cause == "voicemail"
    report(call, CarrierEventType.ENDED, seconds + 1, cause="normal_clearing")
    assert (call.status, call.hangup_cause) == ("completed", "voicemail")
    assert entries(call) == {"telephony": Decimal("0.05")}


def test_a_voicemail_message_is_billed_like_any_call() -> None:
    number = make_streaming_number(make_account(), voicemail_action="ai_message")
    call = make_call(number, BEGIN, direction="outbound", telephony_rate=Decimal("0.05"))
    # Only a beep is reported, and before the verdict.
    report(call, CarrierEventType.MACHINE_GREETING_ENDED, 3, detail="beep_detected")
    report(call, CarrierEventType.MACHINE_DETECTED, 3.1, detail="machine")
    assert (call.voicemail_detected, call.end_requested_at) == (True, None)
    report(call, CarrierEventType.ENDED, 30, cause="normal_clearing")
    assert entries(call) == {"telephony": Decimal("0.05"), "model": Decimal("0.02")}
    assert events(call).count("voicemail.detected") == 1


def test_a_person_is_not_an_answering_machine() -> None:
    call = running_call(direction="outbound")
    report(call, CarrierEventType.MACHINE_DETECTED, 2, detail="human")
    assert (call.voicemail_detected, call.end_requested_at) == (False, None)
