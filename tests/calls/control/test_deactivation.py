"""Staff deactivate an account: nothing new starts, running calls end, and the account can be reactivated."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import LedgerEntry
from bubblyphone.core.errors import Forbidden
from calls.after_call import jobs
from calls.clock import metering
from calls.control import inbound, lifecycle, outbound, running_calls, speech, transfers
from calls.models import Analysis, Call, CallEvent, Recording, Transfer, Utterance
from calls.webhook_mode.call_replies import CallReplies
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from sandbox.services import start_demo_call
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW = BEGIN + timedelta(seconds=20)
STATES: dict[str, dict[str, Any]] = {
    "being dialed": {"direction": "outbound", "status": "initiated", "answered_at": None, "carrier_call_id": None},
    "ringing": {"status": "ringing", "answered_at": None},
    "answered": {},
    "in webhook mode": {"mode": "webhook", "model_slug": ""},
    "transferred": {"transferred_at": BEGIN + timedelta(seconds=5), "transfer_rate": "0.05"},
    "a sandbox call": {"sandbox": True, "carrier_call_id": None},
    "a sandbox call without browser": {
        "sandbox": True,
        "carrier_call_id": None,
        "status": "initiated",
        "answered_at": None,
    },
    "a free demo": {"sandbox": True, "demo": True, "carrier_call_id": None},
}

CANCELED = {"being dialed", "a sandbox call without browser"}  # before anybody answered


def deactivate(developer: Any) -> None:
    developer.is_active = False
    developer.save(update_fields=["is_active"])


def reactivate(developer: Any) -> None:
    developer.is_active = True
    developer.save(update_fields=["is_active"])


def ring(number: Any, control: str) -> Call:
    inbound.receive(
        CarrierEvent(
            CarrierEventType.INITIATED,
            control,
            control,
            timezone.now(),
            direction="inbound",
            from_number="+15551230000",
            to_number=number.e164,
            carrier="telnyx",
        )
    )
    return Call.objects.get(carrier_call_id=control)


@pytest.mark.parametrize("state", STATES)
def test_calls_end_whatever_state_they_are_in(state: str) -> None:
    developer, other = make_account(), make_account()
    call = make_call(make_streaming_number(developer), BEGIN, **STATES[state])
    untouched = make_call(make_streaming_number(other), BEGIN)
    deactivate(developer)
    metering.meter_once(NOW)
    metering.meter_once(NOW + timedelta(seconds=1))
    call.refresh_from_db()
    untouched.refresh_from_db()
    assert (call.end_requested_at, call.end_requested_cause) == (NOW, "account_deactivated")
    assert untouched.end_requested_at is None
    lifecycle.finish(Call.objects.get_for_update(call.pk), ended_at=NOW + timedelta(seconds=1), cause="normal_clearing")
    call.refresh_from_db()
    assert call.hangup_cause == ("canceled" if state in CANCELED else "account_deactivated")
    assert call.status == ("completed" if call.answered_at else "failed")
    assert call.ended_at == NOW


def test_a_ringing_warm_transfer_is_canceled_and_queued_speech_is_not_spoken() -> None:
    developer = make_account()
    call = make_call(make_streaming_number(developer), BEGIN, status="ringing", answered_at=None)
    speech.say(call, "Hello.", key="test")
    talking = make_call(make_streaming_number(developer), BEGIN)
    leg = transfers.request(
        Call.objects.get_for_update(talking.pk), "+12025559999", source="api", briefing="Ada calls."
    )
    deactivate(developer)
    metering.meter_once(NOW)
    for ended in (call, talking):
        lifecycle.finish(Call.objects.get_for_update(ended.pk), ended_at=NOW, cause="normal_clearing")
    leg.refresh_from_db()
    assert leg.answered_at is None
    assert Utterance.objects.get(call=call).sent_at is None
    assert not LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:").exists()


@pytest.mark.parametrize("fields", [{}, {"mode": "webhook"}, {"mode": "webhook", "webhook_url": ""}])
def test_calls_to_a_deactivated_accounts_numbers_are_rejected_and_free(fields: dict[str, Any]) -> None:
    developer = make_account()
    number = make_streaming_number(developer, **fields)
    deactivate(developer)
    call = ring(number, "v3:deactivated")
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", "rejected", 0)
    refusal = CallEvent.objects.get(call=call, event_type="call.refused")
    assert refusal.metadata["reason"] == "account_deactivated"
    assert not WebhookDelivery.objects.filter(event_type="call.incoming").exists()
    assert LedgerEntry.objects.filter(developer=developer).count() == 1  # the credit
    reactivate(developer)
    if fields.get("webhook_url") != "":
        assert ring(number, "v3:reactivated").status == "ringing"


def test_no_page_or_endpoint_accepts_a_deactivated_account() -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    bearer, client = factories.bearer(developer), Client()
    client.force_login(developer)
    running = make_call(number, BEGIN)
    deactivate(developer)
    for method, path in (
        ("GET", "auth/me"),
        ("POST", "calls"),
        ("POST", f"calls/{running.pk}/transfer"),
        ("POST", "sandbox/calls"),
        ("POST", "sandbox/demo"),
        ("POST", "phone-numbers"),
    ):
        answer = Client().generic(method, f"/api/v1/{path}", b"{}", headers=bearer)
        assert (path, answer.status_code) == (path, 401)
    credentials = {"email": developer.email, "password": factories.PASSWORD}
    answer = Client().post("/api/v1/auth/login", credentials, content_type="application/json")
    assert answer.status_code == 401
    assert client.get("/calls").status_code == 302
    assert Client().get("/api/v1/auth/me", headers=bearer).status_code == 401
    reactivate(developer)
    assert Client().get("/api/v1/auth/me", headers=bearer).status_code == 200


def test_a_request_authenticated_before_the_deactivation_is_refused() -> None:
    """It reads the account's row after staff have changed it."""
    developer = make_account()
    number = make_streaming_number(developer)
    call = make_call(number, BEGIN)
    deactivate(developer)
    with pytest.raises(Forbidden, match="deactivated"):
        outbound.begin_call(
            developer=developer, number=number, to="+12025551234", mode="streaming", request={}, agent=None
        )
    with pytest.raises(Forbidden, match="deactivated"):
        running_calls.transfer(call=call, to="+12025559999")
    with pytest.raises(Forbidden, match="deactivated"):
        start_demo_call(developer=developer)
    assert list(Call.objects.all()) == [call]
    assert not Transfer.objects.exists()


@pytest.mark.parametrize(
    "action", [{"action": "transfer", "to": "+12025559999"}, {"action": "answer", "text": "Hi"}, {"action": "hangup"}]
)
def test_actions_from_a_deactivated_accounts_server_are_refused(action: dict[str, str]) -> None:
    developer = make_account()
    call = ring(make_streaming_number(developer, mode="webhook"), "v3:waiting")
    delivery = WebhookDelivery.objects.get(subject=f"call:{call.pk}", event_type="call.incoming")
    deactivate(developer)
    assert CallReplies().take(delivery, json.dumps(action)) == "This account is deactivated."
    call.refresh_from_db()
    assert (call.answer_requested_at, call.end_requested_at) == (None, None)
    assert not Transfer.objects.exists()
    assert not Utterance.objects.exists()


def test_paid_work_after_calls_waits_but_a_recording_is_fetched() -> None:
    developer = make_account()
    call = make_call(make_streaming_number(developer), BEGIN)
    analysis = Analysis.objects.create(call=call)
    recording = Recording.objects.create(call=call, maker="carrier")
    deactivate(developer)
    assert jobs.claim(Analysis, analysis.pk) is None
    assert jobs.claim(Recording, recording.pk) == recording
    reactivate(developer)
    assert jobs.claim(Analysis, analysis.pk) == analysis
