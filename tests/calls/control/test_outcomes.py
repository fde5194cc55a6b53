"""Calls that end before they are answered: the reason in the API, on the pages and in the webhooks, and that they are free."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import LedgerEntry
from calls.clock import cap_enforcement, sweeper
from calls.control import inbound, lifecycle
from calls.models import Call, HangupCause
from calls.outcomes import ENDINGS, describe_ending
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def unanswered(**fields: Any) -> Call:
    number = make_streaming_number(make_account())
    status = {"status": "ringing", "answered_at": None, "session_seen_at": None, "direction": "outbound"}
    return make_call(number, BEGIN, **{**status, **fields})


def hang_up_by_api(call: Call) -> None:
    answer = Client().post(
        f"/api/v1/calls/{call.pk}/hangup", content_type="application/json", headers=factories.bearer(call.developer)
    )
    assert answer.status_code == 200


def hang_up_on_page(call: Call) -> None:
    client = Client()
    client.force_login(call.developer)
    assert client.post(f"/calls/{call.pk}/hang-up").status_code == 302


def carrier_reports_end(call: Call, cause: str, at: datetime | None = None) -> None:
    control = call.carrier_call_id or ""
    at = at or datetime.now(UTC)
    inbound.receive(
        CarrierEvent(CarrierEventType.ENDED, f"{control}:{cause}", control, at, cause=cause, carrier="telnyx")
    )


def canceled(end: Callable[[Call], None]) -> Callable[[Call], None]:
    """We end the call, and the carrier then reports `no_answer`."""

    def end_and_report(call: Call) -> None:
        end(call)
        carrier_reports_end(call, "no_answer")

    return end_and_report


def out_of_balance(call: Call) -> None:
    lifecycle.end_call(call.pk, HangupCause.INSUFFICIENT_BALANCE)


def over_daily_cap(call: Call) -> None:
    cap_enforcement.end_for_limit(call, "daily_cap_reached", Decimal(5), at=datetime.now(UTC))


def deactivated(call: Call) -> None:
    lifecycle.end_call(call.pk, HangupCause.ACCOUNT_DEACTIVATED)


def sweep(call: Call) -> None:
    sweeper.sweep_once(BEGIN + timedelta(seconds=400))
    carrier_reports_end(call, "no_answer")


OUTBOUND: dict[str, Any] = {}
NOT_DIALED = {"status": "initiated", "carrier_call_id": None}
INBOUND = {"direction": "inbound"}
SANDBOX = {"direction": "inbound", "sandbox": True, "status": "initiated", "carrier_call_id": None}


@pytest.mark.parametrize(
    ("fields", "end", "cause", "words"),
    [
        (OUTBOUND, canceled(hang_up_by_api), "canceled", "Canceled before it was answered."),
        (OUTBOUND, canceled(hang_up_on_page), "canceled", "Canceled before it was answered."),
        (OUTBOUND, canceled(out_of_balance), "canceled", "Canceled before it was answered."),
        (OUTBOUND, canceled(over_daily_cap), "canceled", "Canceled before it was answered."),
        (OUTBOUND, canceled(deactivated), "canceled", "Canceled before it was answered."),
        (NOT_DIALED, hang_up_by_api, "canceled", "Canceled before it was answered."),
        (OUTBOUND, sweep, "no_answer", "Nobody answered."),
        (OUTBOUND, lambda call: carrier_reports_end(call, "no_answer"), "no_answer", "Nobody answered."),
        (OUTBOUND, lambda call: carrier_reports_end(call, "busy"), "busy", "The line was busy."),
        (OUTBOUND, lambda call: carrier_reports_end(call, "rejected"), "rejected", "The call was declined."),
        (
            OUTBOUND,
            lambda call: carrier_reports_end(call, "invalid_number"),
            "invalid_number",
            "The number does not exist.",
        ),
        (NOT_DIALED, sweep, "carrier_failed", "The phone network could not carry the call."),
        (INBOUND, canceled(hang_up_by_api), "rejected", "Declined before it was answered."),
        (INBOUND, canceled(out_of_balance), "insufficient_balance", "Refused because the balance was too low."),
        (INBOUND, canceled(deactivated), "account_deactivated", "Refused because the account is deactivated."),
        (
            INBOUND,
            lambda call: carrier_reports_end(call, "no_answer"),
            "no_answer",
            "The caller hung up before it was answered.",
        ),
        (SANDBOX, lambda call: sweeper.end_unused_sandbox(datetime.now(UTC)), "no_answer", "The browser never connected."),
        (SANDBOX, hang_up_by_api, "canceled", "Canceled before the browser connected."),
    ],
)  # fmt: skip
def test_a_call_that_was_never_answered_says_why(
    fields: dict[str, Any], end: Callable[[Call], None], cause: str, words: str
) -> None:
    call = unanswered(**fields)
    end(call)
    call.refresh_from_db()
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", cause, 0)
    assert describe_ending(call) == words
    assert LedgerEntry.objects.filter(developer=call.developer).count() == 1  # the credit
    client = Client()
    client.force_login(call.developer)
    for path in (f"/calls/{call.pk}", "/calls"):
        html = client.get(path).content.decode()
        assert words in html, path
        assert "Ended normally" not in html.replace("Ended normally</option>", ""), path
    data = client.get(f"/api/v1/calls/{call.pk}", headers=factories.bearer(call.developer)).json()["data"]
    assert (data["status"], data["hangup_cause"], data["total_cost"]) == ("failed", cause, "0.00")
    (hook,) = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.hangup")
    assert json.loads(hook.body)["hangup_cause"] == cause


def test_a_call_answered_while_it_is_canceled_ends_normally() -> None:
    call = unanswered()
    hang_up_by_api(call)
    control = call.carrier_call_id or ""
    now = datetime.now(UTC)
    inbound.receive(CarrierEvent(CarrierEventType.ANSWERED, "a", control, now, carrier="telnyx"))
    carrier_reports_end(call, "normal_clearing", now + timedelta(seconds=1))
    call.refresh_from_db()
    assert (call.status, call.hangup_cause) == ("completed", "normal_clearing")


@pytest.mark.parametrize("cause", ["busy", "no_answer", "rejected", "invalid_number"])
def test_an_end_before_the_cancellation_decides_the_cause(cause: str) -> None:
    call = unanswered()
    hang_up_by_api(call)
    carrier_reports_end(call, cause, datetime.now(UTC) - timedelta(seconds=5))
    call.refresh_from_db()
    assert (call.status, call.hangup_cause) == ("failed", cause)


@pytest.mark.parametrize(
    ("is_left", "words"), [(True, "Left a voicemail message."), (False, "Voicemail answered. No message was left.")]
)
def test_the_page_says_whether_a_message_was_left(is_left: bool, words: str) -> None:
    call = unanswered(
        status="completed", answered_at=BEGIN, hangup_cause="normal_clearing", ended_at=BEGIN + timedelta(seconds=30),
        voicemail_detected=True, voicemail_message_left=is_left,
    )  # fmt: skip
    client = Client()
    client.force_login(call.developer)
    assert words in client.get(f"/calls/{call.pk}").content.decode()
    data = client.get(f"/api/v1/calls/{call.pk}", headers=factories.bearer(call.developer)).json()["data"]
    assert (data["voicemail_detected"], data["voicemail_message_left"]) == (True, is_left)


def test_every_cause_has_a_text() -> None:
    assert set(ENDINGS) == set(HangupCause)
