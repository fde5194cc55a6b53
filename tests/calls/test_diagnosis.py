"""Why a call failed: whose fault it was, the evidence, and the fix."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from calls.diagnosis import Fault, explain
from calls.models import Call, CallEvent, CarrierEventRecord, TranscriptEntry
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer
from webhooks.models import WebhookAttempt, WebhookDelivery

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def ended_call(cause: str = "normal_clearing", **fields: Any) -> Call:
    """An outbound call that has ended. It was answered, unless `answered_at` is given."""
    number = make_streaming_number(make_account())
    end: dict[str, Any] = {"status": "completed", "hangup_cause": cause, "ended_at": NOON + timedelta(minutes=1)}
    if "answered_at" in fields:
        end["status"] = "failed"
    return make_call(number, NOON, **{"direction": "outbound", "to_number": "+12025550123", **end, **fields})


def add_event(call: Call, event_type: str, **metadata: Any) -> None:
    CallEvent.objects.create(
        call=call,
        event_type=event_type,
        source="system",
        event_timestamp=NOON + timedelta(seconds=5),
        metadata=metadata,
    )


def add_delivery(call: Call, event_type: str, status: int | None, error: str | None = None) -> None:
    assert call.phone_number is not None
    is_good = status == 200 and error is None
    delivery = WebhookDelivery.objects.create(
        webhook_id=uuid4(), developer=call.developer, signing_secret=call.phone_number.signing_secret,
        subject=f"call:{call.pk}", event_type=event_type, url="https://example.com/hook", body='{"tool":"check"}',
        status="delivered" if is_good else "failed", attempt_count=1,
    )  # fmt: skip
    WebhookAttempt.objects.create(
        delivery=delivery, number=1, response_status=status, response_body="", latency_ms=183, success=is_good,
        error_message=error, created_at=NOON + timedelta(seconds=7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "fields", "fault", "words"),
    [
        ("busy", {"answered_at": None}, Fault.CALLEE, "The number was busy."),
        (
            "busy",
            {"answered_at": None, "direction": "inbound"},
            Fault.SETTINGS,
            "Your limit on concurrent calls was reached",
        ),
        ("no_answer", {"answered_at": None}, Fault.CALLEE, "Nobody picked up"),
        ("no_answer", {"answered_at": None, "direction": "inbound"}, Fault.CALLER, "hung up before"),
        ("rejected", {"answered_at": None}, Fault.CALLEE, "declined"),
        ("rejected", {"answered_at": None, "direction": "inbound"}, Fault.SETTINGS, "was rejected before"),
        ("invalid_number", {"answered_at": None}, Fault.SETTINGS, "+12025550123 cannot be reached"),
        ("insufficient_balance", {}, Fault.SETTINGS, "used up"),
        ("max_duration", {}, Fault.SETTINGS, "60 min"),
        ("silence_timeout", {}, Fault.CALLEE, "30 s"),
        ("webhook_failed", {"mode": "webhook"}, Fault.SETTINGS, "no webhook URL"),
        ("model_failed", {}, Fault.MODEL, "gemini-3.1-flash-live failed"),
        ("carrier_failed", {"answered_at": None, "carrier_call_id": None}, Fault.CARRIER, "did not accept the call"),
        ("carrier_failed", {}, Fault.CARRIER, "dropped the call"),
    ],
)
def test_every_failure_has_a_fault_and_a_fix(cause: str, fields: dict[str, Any], fault: Fault, words: str) -> None:
    found = explain(ended_call(cause, **fields))
    assert (found.fault, found.is_end) == (fault, True)
    assert words in found.summary
    assert found.fix


@pytest.mark.parametrize("cause", ["normal_clearing", "voicemail", "transferred"])
def test_a_normal_end_has_no_fault(cause: str) -> None:
    found = explain(ended_call(cause))
    assert (found.outcome, found.fault, found.is_trouble, found.evidence) == (cause, Fault.NOBODY, False, [])


def test_a_running_call_is_not_judged() -> None:
    call = ended_call(status="answered", hangup_cause="", ended_at=None)
    add_event(call, "stream.reconnected", reason="model_dropped")
    found = explain(call)
    assert (found.outcome, found.fault, found.is_trouble) == ("in_progress", Fault.NOBODY, False)


def test_the_carriers_report_is_the_evidence() -> None:
    call = ended_call("busy", answered_at=None, carrier_call_id="v3:1")
    CarrierEventRecord.objects.create(
        event_id="e1",
        event_type="ended",
        carrier_call_id="v3:1",
        cause="busy",
        detail="486 Busy Here",
        occurred_at=NOON,
    )
    found = explain(call)
    assert found.evidence == ["12:00:00 the carrier reported busy (486 Busy Here)"]


def test_a_spending_limit_is_distinguished_from_an_empty_balance() -> None:
    call = ended_call("insufficient_balance")
    assert explain(call).summary == "Your balance was used up."
    add_event(call, "limit.reached", reason="daily_cap_reached", limit="5.00")
    found = explain(call)
    assert found.summary == "A spending limit was reached."
    assert found.evidence == ["12:00:05 limit.reached: daily_cap_reached"]


def test_a_lost_process_is_our_fault() -> None:
    call = ended_call("carrier_failed")
    add_event(call, "stream.connected", model="gemini-3.1-flash-live")
    found = explain(call)
    assert found.fault == Fault.PLATFORM
    add_event(call, "stream.failed", reason="connection_failed")
    found = explain(call)
    assert (found.fault, found.evidence) == (Fault.CARRIER, ["12:00:05 stream.failed: connection_failed"])


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("is_refused", [True, False])
def test_a_refused_key_is_its_owners_fault_and_a_broken_connection_the_models(is_own: bool, is_refused: bool) -> None:
    call = ended_call("model_failed")
    if is_own:
        call.config["model_key_id"] = {"value": 3, "source": "number"}
    add_event(call, "model.failed", reason="Incorrect API key provided", refused=is_refused)
    found = explain(call)
    owner = Fault.SETTINGS if is_own else Fault.PLATFORM
    assert found.fault == (owner if is_refused else Fault.MODEL)
    assert found.evidence == ["12:00:05 model.failed: Incorrect API key provided"]


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([("stream.restarted", "deploy"), ("stream.reconnected", "deploy")], Fault.NOBODY),
        ([("stream.restarted", "session_lost"), ("stream.reconnected", "session_lost")], Fault.PLATFORM),
        ([("stream.failed", "x"), ("stream.restarted", ""), ("stream.reconnected", "session_lost")], Fault.PLATFORM),
        ([("stream.restarted", "connection_lost"), ("stream.reconnected", "connection_lost")], Fault.CARRIER),
        ([("model.reconnected", "connection_lost")], Fault.MODEL),
        ([("model.failed", "gone"), ("model.reconnected", "fallback")], Fault.MODEL),
        ([("transfer.failed", "no_answer")], Fault.CALLEE),
        ([("transfer.failed", "carrier_failed")], Fault.CARRIER),
        ([("transfer.failed", "no_destination")], Fault.WEBHOOK),
        ([("transfer.failed", "no_rate")], Fault.SETTINGS),
        ([("transfer.failed", "insufficient_balance")], Fault.SETTINGS),
    ],
)
def test_faults_that_a_call_recovered_from(events: list[tuple[str, str]], fault: Fault) -> None:
    call = ended_call()
    for name, reason in [("stream.connected", ""), *events]:
        add_event(call, name, **({"reason": reason} if reason else {}))
    found = explain(call)
    assert (found.fault, found.is_end) == (fault, False)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([("stream.connected", "")], Fault.PLATFORM),
        ([("stream.connected", ""), ("stream.failed", "x"), ("stream.restarted", "session_lost")], Fault.PLATFORM),
        ([("stream.connected", ""), ("stream.restarted", "deploy")], Fault.PLATFORM),
        ([("stream.connected", ""), ("stream.restarted", "connection_lost")], Fault.CARRIER),
        ([("stream.connected", ""), ("stream.failed", "connection_failed")], Fault.CARRIER),
    ],
)
def test_faults_that_ended_a_call(events: list[tuple[str, str]], fault: Fault) -> None:
    call = ended_call("carrier_failed")
    for name, reason in events:
        add_event(call, name, **({"reason": reason} if reason else {}))
    found = explain(call)
    assert (found.fault, found.is_end) == (fault, True)


@pytest.mark.parametrize("cause", ["normal_clearing", "silence_timeout", "max_duration"])
def test_a_silent_model_is_at_fault_no_matter_who_hangs_up(cause: str) -> None:
    call = ended_call(cause)
    add_event(call, "dead_air", remedy="prompt")
    found = explain(call)
    assert (found.fault, found.is_end) == (Fault.MODEL, True)
    # The model spoke again: it was only a pause.
    TranscriptEntry.objects.create(call=call, role="model", text="Sorry.", spoken_at=NOON + timedelta(seconds=9))
    found = explain(call)
    assert found.fault == {"silence_timeout": Fault.CALLEE, "max_duration": Fault.SETTINGS}.get(cause, Fault.MODEL)
    assert found.is_end == (cause != "normal_clearing")


@pytest.mark.parametrize(
    ("requested_cause", "fault"),
    [
        ("normal_clearing", Fault.NOBODY),
        ("insufficient_balance", Fault.SETTINGS),
        ("account_deactivated", Fault.SETTINGS),
    ],
)
def test_a_canceled_call_says_who_canceled_it(requested_cause: str, fault: Fault) -> None:
    found = explain(ended_call("canceled", answered_at=None, end_requested_cause=requested_cause))
    assert (found.fault, found.is_end) == (fault, True)


def test_a_browser_that_never_connected() -> None:
    found = explain(ended_call("no_answer", answered_at=None, sandbox=True, direction="inbound"))
    assert found.summary == "The browser never connected."
    assert "microphone" in found.fix


def test_a_webhook_response_without_an_action() -> None:
    call = ended_call("webhook_failed", mode="webhook", answered_at=None)
    add_delivery(call, "call.incoming", 200, 'The response has no "action".')
    found = explain(call)
    assert (found.fault, found.summary) == (
        Fault.WEBHOOK,
        "Your server did not respond to call.incoming with an action.",
    )
    assert found.evidence == ['12:00:07 call.incoming: HTTP 200 after 183 ms, The response has no "action".']


def test_problems_in_a_call_that_ended_normally() -> None:
    call = ended_call()
    add_event(call, "dead_air", remedy="prompt")
    TranscriptEntry.objects.create(call=call, role="model", text="Sorry.", spoken_at=NOON + timedelta(seconds=9))
    found = explain(call)
    assert (found.fault, found.is_end) == (Fault.MODEL, False)
    assert "stopped responding 1 time" in found.summary
    for _ in range(2):
        add_event(call, "stream.reconnected", reason="connection_lost")
    assert explain(call).summary.startswith("The carrier's audio connection broke 2 times")
    add_event(call, "transfer.failed", to="+12025559999", reason="busy")
    assert explain(call).fault == Fault.CALLEE
    add_delivery(call, "call.hangup", 500)
    assert explain(call).summary == "1 webhook of this call could not be delivered."
    add_event(call, "lookup.failed", reason="malformed", detail="The response must be a JSON object.")
    add_delivery(call, "call.lookup", 200, "The response must be a JSON object.")
    found = explain(call)
    assert (found.fault, found.summary) == (Fault.WEBHOOK, "The lookup failed. The call continued without it.")
    assert found.evidence == ["12:00:05 lookup.failed: The response must be a JSON object."]
    assert found.fix.startswith("Correct what your server responds.")
    add_delivery(call, "call.tool_call", None, "No complete response within 10 seconds.")
    found = explain(call)
    assert found.summary == "1 tool call failed. The agent was informed and continued."
    assert found.evidence == [
        "12:00:07 call.tool_call: no response after 183 ms, No complete response within 10 seconds."
    ]


NEVER = {"answered_at": None}
INBOUND = {"direction": "inbound"}
# (hangup cause, fields of the call, events, fault that the API reports)
INJECTED: list[tuple[str, dict[str, Any], list[tuple[str, dict[str, Any]]], Fault]] = [
    ("busy", NEVER, [], Fault.CALLEE),
    ("no_answer", NEVER, [], Fault.CALLEE),
    ("rejected", NEVER, [], Fault.CALLEE),
    ("no_answer", NEVER | INBOUND, [], Fault.CALLER),
    ("silence_timeout", INBOUND, [], Fault.CALLER),
    ("silence_timeout", {}, [], Fault.CALLEE),
    ("silence_timeout", {}, [("dead_air", {})], Fault.MODEL),
    ("normal_clearing", {}, [("dead_air", {})], Fault.MODEL),
    ("max_duration", {}, [("dead_air", {})], Fault.MODEL),
    ("model_failed", {}, [("model.failed", {"reason": "timeout"})], Fault.MODEL),
    ("model_failed", {}, [("model.failed", {"reason": "401", "refused": True})], Fault.PLATFORM),
    ("model_failed", {"own_key": True}, [("model.failed", {"reason": "401", "refused": True})], Fault.SETTINGS),
    ("model_failed", NEVER | INBOUND, [("call.refused", {"reason": "model_unavailable"})], Fault.SETTINGS),
    ("invalid_number", NEVER, [], Fault.SETTINGS),
    ("insufficient_balance", {}, [], Fault.SETTINGS),
    ("insufficient_balance", {}, [("limit.reached", {"reason": "daily_cap_reached"})], Fault.SETTINGS),
    ("insufficient_balance", NEVER | INBOUND, [("call.refused", {"reason": "daily_cap_reached"})], Fault.SETTINGS),
    ("busy", NEVER | INBOUND, [("call.refused", {"reason": "too_many_calls"})], Fault.SETTINGS),
    ("rejected", NEVER | INBOUND, [("call.refused", {"reason": "rejected_by_lookup"})], Fault.SETTINGS),
    ("account_deactivated", {}, [], Fault.SETTINGS),
    ("max_duration", {}, [], Fault.SETTINGS),
    ("carrier_failed", NEVER | {"carrier_call_id": None}, [], Fault.CARRIER),
    ("carrier_failed", {}, [("stream.connected", {}), ("stream.failed", {"reason": "x"})], Fault.CARRIER),
    ("carrier_failed", {}, [("stream.connected", {})], Fault.PLATFORM),
    ("normal_clearing", {}, [("stream.reconnected", {"reason": "session_lost"})], Fault.PLATFORM),
    ("normal_clearing", {}, [("stream.reconnected", {"reason": "connection_lost"})], Fault.CARRIER),
    ("normal_clearing", {}, [("stream.reconnected", {"reason": "deploy"})], Fault.NOBODY),
    ("normal_clearing", {}, [("lookup.failed", {"reason": "timeout"})], Fault.WEBHOOK),
    ("normal_clearing", {}, [("lookup.failed", {"reason": "agent_daily_cap_reached"})], Fault.SETTINGS),
    ("normal_clearing", {}, [("lookup.failed", {"reason": "process_ended"})], Fault.PLATFORM),
    ("normal_clearing", {}, [("transfer.failed", {"reason": "busy"})], Fault.CALLEE),
    ("normal_clearing", {}, [("transfer.failed", {"reason": "premium_destination"})], Fault.SETTINGS),
    ("webhook_failed", NEVER | INBOUND | {"mode": "webhook"}, [], Fault.SETTINGS),
    ("voicemail", {"voicemail_detected": True}, [], Fault.NOBODY),
    ("transferred", {}, [], Fault.NOBODY),
    ("canceled", NEVER, [], Fault.NOBODY),
]


@pytest.mark.parametrize(("cause", "fields", "events", "fault"), INJECTED)
def test_the_api_reports_the_fault_of_an_injected_failure(
    client: Client, cause: str, fields: dict[str, Any], events: list[tuple[str, dict[str, Any]]], fault: Fault
) -> None:
    fields = dict(fields)
    has_own_key = fields.pop("own_key", False)
    call = ended_call(cause, **fields)
    if has_own_key:
        call.config["model_key_id"] = {"value": 3, "source": "number"}
        call.save()
    for name, metadata in events:
        add_event(call, name, **metadata)
    answer = client.get(f"/api/v1/calls/{call.pk}/diagnosis", headers=bearer(call.developer))
    assert answer.status_code == 200
    found = answer.json()["data"]
    assert found.keys() == {"outcome", "fault", "summary", "evidence", "fix", "fix_url"}
    assert (found["outcome"], found["fault"]) == (cause, fault)
    assert all(found[name] for name in ("summary", "fix"))
    assert found["fix_url"] is None or found["fix_url"].startswith("http")


def test_a_failed_webhook_and_a_running_call_over_the_api(client: Client) -> None:
    call = ended_call("webhook_failed", mode="webhook", answered_at=None)
    add_delivery(call, "call.incoming", 500)
    options: dict[str, Any] = {"headers": bearer(call.developer)}
    path = f"/api/v1/calls/{call.pk}/diagnosis"
    assert client.get(path, **options).json()["data"]["fault"] == "your_webhook"
    assert client.get(path, headers=bearer(make_account())).status_code == 404
    Call.objects.update(status="answered", hangup_cause="", ended_at=None)
    found = client.get(path, **options).json()["data"]
    assert (found["outcome"], found["fault"], found["evidence"]) == ("in_progress", "nobody", [])


def test_an_end_without_a_cause_over_the_api(client: Client) -> None:
    call = ended_call("")
    found = client.get(f"/api/v1/calls/{call.pk}/diagnosis", headers=bearer(call.developer)).json()["data"]
    assert (found["outcome"], found["fault"], found["summary"]) == ("unknown", "nobody", "Ended for an unknown reason.")
