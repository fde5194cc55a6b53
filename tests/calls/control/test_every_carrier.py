"""The same calls, reported in each carrier's format and in any order, must have the same states, events and bill."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from billing import ledger
from calls.clock import sweeper
from calls.control import commands, lifecycle, outbound, transfers
from calls.models import Call, CallEvent, CarrierEventRecord, Recording
from phone_numbers.carriers.registry import detects_screening
from phone_numbers.models import CallScript, PhoneNumber
from tests import factories
from tests.calls.control.conftest import Clock
from tests.calls.control.dialects import OURS, PERSON, Dialect, Report, ReportedEvent, TwilioDialect
from tests.calls.rows import make_account, make_streaming_number
from tests.fakes.recording_server import Answer
from tests.long_runs import how_many
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
OTHER = "+12025550124"


def own_number(dialect: Dialect, **fields: Any) -> PhoneNumber:
    return make_streaming_number(make_account(), e164=OURS, carrier=dialect.slug, **fields)


def place(number: PhoneNumber) -> Call:
    call = outbound.begin_call(
        developer=number.developer, number=number, to=PERSON, mode="streaming", request={}, agent=None
    )
    outbound.dial(call)
    return call


def deliver_reports(
    dialect: Dialect, clock: Clock, *reported_events: ReportedEvent, inbound: bool, state: str = ""
) -> None:
    for reported in reported_events:
        clock.at = max(clock.at, reported.at)
        assert dialect.report(reported, inbound=inbound, state=state).deliver(Client()) == 200


def outcome(call: Call) -> dict[str, Any]:
    """Everything the developer learns about a call, and pays for it."""
    call.refresh_from_db()
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}")
    return {
        "status": call.status,
        "cause": call.hangup_cause,
        "reached": call.outcome,
        "seconds": call.duration_seconds,
        "telephony": str(call.telephony_cost),
        "balance": str(ledger.balance(call.developer_id)),
        "webhooks": sorted(hooks.values_list("event_type", flat=True)),
        "hangup": [
            {name: json.loads(hook.body)[name] for name in ("duration_seconds", "cost", "hangup_cause")}
            for hook in hooks.filter(event_type="call.hangup")
        ],
        "events": sorted(CallEvent.objects.filter(call=call).values_list("event_type", flat=True)),
    }


def ended(
    at: float, cause: str = "normal_clearing", *, answered_at: float | None = None, **fields: Any
) -> ReportedEvent:
    seconds = 0 if answered_at is None else at - answered_at
    return ReportedEvent("ended", at, cause=cause, fields={"seconds": int(seconds)}, **fields)


def expected_outcome(
    status: str, cause: str, seconds: int, telephony: str, *events: str, reached: str = ""
) -> dict[str, Any]:
    """The outcome of a call that cost `telephony` and nothing for the model, with these events in addition to the usual ones."""
    usual = ["call.answered", "call.ended"] if status == "completed" else ["call.failed"]
    return {
        "status": status,
        "cause": cause,
        "reached": reached,
        "seconds": seconds,
        "telephony": telephony,
        "balance": f"{10 - float(telephony):.6f}",
        "hangup": [{"duration_seconds": seconds, "cost": float(telephony), "hangup_cause": cause}],
        "events": sorted(["call.initiated", "call.ringing", *usual, *events]),
    }


NEVER_ANSWERED = [
    (cause, expected_outcome("failed", cause, 0, "0.000000", reached=cause))
    for cause in ("busy", "no_answer", "rejected", "invalid_number")
]
CALLED = [ReportedEvent("initiated", 0), ReportedEvent("answered", 1), ended(96, answered_at=1)]


def take_call(dialect: Dialect, clock: Clock) -> Call:
    """A person calls, and we answer while it rings."""
    deliver_reports(dialect, clock, CALLED[0], inbound=True)
    call = Call.objects.get()
    commands.answer(call)
    return call


def test_an_inbound_call(dialect: Dialect, clock: Clock) -> None:
    own_number(dialect)
    call = take_call(dialect, clock)
    deliver_reports(dialect, clock, *CALLED[1:], inbound=True)
    result = outcome(call)
    assert result.pop("webhooks") == ["call.answered", "call.ended", "call.hangup", "call.incoming"]
    assert result == expected_outcome("completed", "normal_clearing", 95, "0.080000")
    assert (call.from_number, call.to_number, call.carrier) == (PERSON, OURS, dialect.slug)


def test_a_caller_hangs_up_while_it_rings(dialect: Dialect, clock: Clock) -> None:
    own_number(dialect)
    deliver_reports(dialect, clock, CALLED[0], ended(4, "no_answer"), inbound=True)
    result = outcome(Call.objects.get())
    assert result.pop("webhooks") == ["call.hangup", "call.incoming"]
    assert result == expected_outcome("failed", "no_answer", 0, "0.000000")


@pytest.mark.parametrize(("cause", "expected"), NEVER_ANSWERED)
def test_a_call_that_nobody_answers(dialect: Dialect, clock: Clock, cause: str, expected: dict[str, Any]) -> None:
    call = place(own_number(dialect))
    assert call.carrier_call_id == dialect.sid
    deliver_reports(dialect, clock, ReportedEvent("initiated", 0), ended(9, cause), inbound=False, state=str(call.pk))
    result = outcome(call)
    assert (result.pop("webhooks"), result) == (["call.hangup"], expected)


def test_an_answering_machine_is_hung_up_on(dialect: Dialect, clock: Clock) -> None:
    call = place(own_number(dialect))
    detected = [ReportedEvent("initiated", 0), ReportedEvent("answered", 2), ReportedEvent("machine_detected", 5)]
    deliver_reports(dialect, clock, *detected, inbound=False, state=str(call.pk))
    call.refresh_from_db()
    assert call.end_requested_at is None  # it may still ask who is calling, so the session listens to the greeting
    if is_reported := detects_screening(dialect.slug):
        over = ReportedEvent("machine_greeting_ended", 5, detail="no_beep_detected")
        deliver_reports(dialect, clock, over, inbound=False, state=str(call.pk))
    else:
        lifecycle.end_call(call.pk, "voicemail", at=clock())
    deliver_reports(dialect, clock, ended(6, answered_at=2), inbound=False, state=str(call.pk))
    result = outcome(call)
    del result["webhooks"]
    seen = ["voicemail.detected", *(["voicemail.greeting_ended"] if is_reported else [])]
    assert result == expected_outcome("completed", "voicemail", 3, "0.050000", *seen, reached="voicemail_no_message")
    call.refresh_from_db()
    assert call.voicemail_detected


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        (
            [ReportedEvent("answered", 20), ended(45, answered_at=20), ended(45, answered_at=1)],
            expected_outcome("completed", "transferred", 44, "0.090000", "transfer.requested", "transfer.answered"),
        ),
        (
            [ended(30, "busy"), ended(45, answered_at=1)],
            expected_outcome("completed", "normal_clearing", 44, "0.040000", "transfer.requested", "transfer.failed"),
        ),
    ],
)
def test_a_caller_is_transferred(
    dialect: Dialect, clock: Clock, leg: list[ReportedEvent], expected: dict[str, Any]
) -> None:
    own_number(dialect)
    call = take_call(dialect, clock)
    deliver_reports(dialect, clock, CALLED[1], inbound=True)
    call.refresh_from_db()
    with transaction.atomic():
        transfer = transfers.request(Call.objects.get_for_update(call.pk), OTHER, source="api")
    transfers.send_waiting(call.pk)
    state = f"{call.pk}:transfer:{transfer.pk}"
    *of_leg, of_call = leg
    for each in of_leg:
        reported = ReportedEvent(each.kind, each.at, each.cause, leg_state=state, fields=each.fields)
        deliver_reports(dialect, clock, reported, inbound=True)
    deliver_reports(dialect, clock, of_call, inbound=True)
    result = outcome(call)
    del result["webhooks"]
    assert result == expected


@pytest.mark.parametrize("dialect", ["small"], indirect=True)
def test_a_briefing_that_the_carrier_cannot_speak_is_refused(dialect: Dialect, clock: Clock) -> None:
    own_number(dialect)
    call = take_call(dialect, clock)
    deliver_reports(dialect, clock, CALLED[1], inbound=True)
    before = list(CallEvent.objects.values_list("event_type", flat=True))
    path, body = f"/api/v1/calls/{call.pk}/transfer", {"to": OTHER, "briefing": "Ada is calling."}
    refused = Client().post(path, body, content_type="application/json", headers=factories.bearer(call.developer))
    assert refused.status_code == 422
    assert refused.json()["errors"] == {"briefing": ["The call's carrier cannot speak, so nobody would hear it."]}
    assert not call.transfers.exists()
    assert list(CallEvent.objects.values_list("event_type", flat=True)) == before
    assert [request.path for request in dialect.server.requests] == [f"/calls/{dialect.sid}/answer"]


@pytest.mark.parametrize("becomes", ["answered", "taken", "refused", "silent"])
def test_a_transfer_that_the_carrier_may_have_accepted_is_retried(dialect: Dialect, clock: Clock, becomes: str) -> None:
    """The response is lost. The command is repeated until the carrier's response or a report says what happened."""
    own_number(dialect)
    call = take_call(dialect, clock)
    deliver_reports(dialect, clock, CALLED[1], inbound=True)
    with transaction.atomic():
        transfer = transfers.request(Call.objects.get_for_update(call.pk), OTHER, source="api")
    usual = dialect.server.answer_to
    dialect.server.answer_to = lambda request: Answer(None)  # type: ignore[method-assign]
    transfers.send_waiting(call.pk)
    transfer.refresh_from_db()
    assert (transfer.sent_at, transfer.failed_at) == (None, None)
    if becomes == "answered":
        leg_state = f"{call.pk}:transfer:{transfer.pk}"
        deliver_reports(dialect, clock, ReportedEvent("answered", 5, leg_state=leg_state), inbound=True)
    else:
        answer = {"taken": usual, "refused": lambda request: Answer(422, b"{}")}.get(becomes)
        dialect.server.answer_to = answer or dialect.server.answer_to  # type: ignore[method-assign]
        if becomes == "refused" and isinstance(dialect, TwilioDialect):
            dialect.server.answer_to = lambda request: (  # type: ignore[method-assign]
                usual(request) if request.method == "GET" else Answer(422, b"{}")
            )
    for clock.at in (30, 120):
        sweeper.speak_again(clock())
        sweeper.fail_lost_transfers(clock())
    transfer.refresh_from_db()
    state = (transfer.answered_at is not None, transfer.sent_at is not None, transfer.reason)
    assert (
        state
        == {
            "answered": (True, False, ""),
            "taken": (False, True, ""),
            "refused": (False, False, "carrier_failed"),
            "silent": (False, False, "carrier_failed"),
        }[becomes]
    )
    if becomes == "taken":
        assert len([request for request in dialect.server.requests if dialect.is_transferring(request)]) >= 2


# --- reports in any order, repeated, or missing -------------------------------------------------------------------------


def forged(dialect: Dialect, *, inbound: bool, state: str) -> Report:
    """A report that the callee was busy, with the signature of another report."""
    over, other = (dialect.report(each, inbound=inbound, state=state) for each in (ended(2, "busy"), CALLED[1]))
    return replace(over, headers=other.headers)


@pytest.mark.parametrize("seed", range(how_many(4, long=34)))
@pytest.mark.parametrize("inbound", [True, False])
def test_reports_in_any_order_and_repeated_have_the_same_outcome(
    dialect: Dialect, clock: Clock, inbound: bool, seed: int
) -> None:
    number = own_number(dialect)
    state = "" if inbound else str(place(number).pk)
    reports = [dialect.report(each, inbound=inbound, state=state) for each in CALLED]
    dice = random.Random(seed)
    fake = forged(dialect, inbound=inbound, state=state)
    order = [*reports, *dice.choices(reports, k=3), fake, fake]
    dice.shuffle(order)
    for report in order:
        # Twilio's request for a document is not a report. It arrives when Twilio needs the document, or not at all.
        clock.at = CALLED[1].at if report.path == "/webhooks/twilio/next" else CALLED[2].at
        assert (report.deliver(Client()) == 200) is (report is not fake)
    clock.at = 106
    sweeper.finish_hung_up(clock())
    result = outcome(Call.objects.get())
    webhooks = ["call.answered", "call.ended", "call.hangup", *(["call.incoming"] if inbound else [])]
    assert result.pop("webhooks") == webhooks
    assert result == expected_outcome(
        "completed", "normal_clearing", 95, "0.080000" if inbound else "0.100000", reached="" if inbound else "person"
    )


MADE = "https://carrier.example/recordings/1"
LEG_ANSWERED, SAVED = ReportedEvent("answered", 20, leg_state="leg"), ReportedEvent("recording_saved", 50, detail=MADE)
TRANSFERRED = [
    *CALLED[:2],
    ReportedEvent("machine_detected", 3, detail="human"),
    LEG_ANSWERED,
    ended(45, answered_at=20, leg_state="leg"),
    ended(45, answered_at=1),
    SAVED,
]


@pytest.mark.parametrize("seed", range(how_many(3, long=34)))
def test_all_callbacks_in_any_order_have_the_same_outcome(dialect: Dialect, clock: Clock, seed: int) -> None:
    """A person answers the call, it is transferred, and from then on the carrier records it."""
    call = place(own_number(dialect, recording_enabled=True))
    with transaction.atomic():
        transfer = transfers.request(Call.objects.get_for_update(call.pk), OTHER, source="api")
    transfers.send_waiting(call.pk)
    leg_state = f"{call.pk}:transfer:{transfer.pk}"
    dice = random.Random(seed)
    order = [*TRANSFERRED, *dice.choices(TRANSFERRED, k=5)]
    dice.shuffle(order)
    first_saved, answered = order.index(SAVED), order.index(LEG_ANSWERED)
    if first_saved < answered:
        order[first_saved], order[answered] = LEG_ANSWERED, SAVED
    clock.at = 60
    for each in order:
        reported = replace(each, leg_state=leg_state) if each.leg_state else each
        assert dialect.report(reported, inbound=False, state=str(call.pk)).deliver(Client()) == 200
        assert forged(dialect, inbound=False, state=str(call.pk)).deliver(Client()) in {400, 403}
    for clock.at in (66, 72):
        sweeper.fail_lost_transfers(clock())
        sweeper.finish_hung_up(clock())
    result = outcome(call)
    assert result.pop("webhooks") == ["call.answered", "call.ended", "call.hangup"]
    expected = expected_outcome(
        "completed", "transferred", 44, "0.100000", "transfer.requested", "transfer.answered", reached="person"
    )
    assert result == expected
    recording = Recording.objects.get(call=call)
    assert (recording.carrier_url.partition(".wav")[0], recording.part_made_at is not None) == (MADE, True)


def test_a_call_whose_answer_is_never_reported_is_charged_if_the_end_reports_the_duration(
    dialect: Dialect, clock: Clock
) -> None:
    call = place(own_number(dialect))
    deliver_reports(dialect, clock, CALLED[0], CALLED[2], inbound=False, state=str(call.pk))
    clock.at = 106
    sweeper.finish_hung_up(clock())
    result = outcome(call)
    del result["webhooks"]
    is_duration_reported = isinstance(dialect, TwilioDialect)
    assert result == (
        expected_outcome("completed", "normal_clearing", 95, "0.100000", reached="person")
        if is_duration_reported
        else expected_outcome("failed", "no_answer", 0, "0.000000", reached="no_answer")
    )


def test_reports_without_a_valid_signature_change_nothing(dialect: Dialect, clock: Clock) -> None:
    number = own_number(dialect)
    for reported in CALLED:
        report = dialect.report(reported, inbound=True)
        forged = replace(report, body=report.body.replace(PERSON[1:].encode(), OTHER[1:].encode()))
        assert forged.body != report.body
        unsigned = replace(report, headers={})
        assert {each.deliver(Client()) for each in (forged, unsigned)} <= {400, 403}
    assert not Call.objects.exists()
    assert not CarrierEventRecord.objects.exists()
    assert not CallScript.objects.exists()
    assert number.calls.count() == 0


# --- call screening -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["telnyx"], indirect=True)
@pytest.mark.parametrize(
    ("verdict", "order", "screened", "cause", "seconds"),
    [
        ("human_residence", [0, 1, 2], "accepted", "normal_clearing", 38),
        ("human_residence", [2, 1, 0], "accepted", "normal_clearing", 38),
        ("human_residence", [1, 2, 0], "accepted", "normal_clearing", 38),
        ("machine", [0, 1, 2], "declined", "voicemail", 13),
    ],
)
def test_a_phone_that_asks_who_is_calling(
    dialect: Dialect, clock: Clock, verdict: str, order: list[int], screened: str, cause: str, seconds: int
) -> None:
    call = place(own_number(dialect))
    reports = [
        ReportedEvent("machine_detected", 4),
        ReportedEvent("screening_detected", 6),
        ReportedEvent("machine_detected", 15, detail=verdict),
    ]
    reported = [ReportedEvent("initiated", 0), ReportedEvent("answered", 2), *(reports[at] for at in order), ended(40)]
    deliver_reports(dialect, clock, *reported, inbound=False, state=str(call.pk))
    call.refresh_from_db()
    assert (call.screened, call.outcome) == (screened, f"screened_{screened}")
    assert (call.hangup_cause, call.duration_seconds, call.voicemail_detected) == (cause, seconds, False)
    events = set(CallEvent.objects.filter(call=call).values_list("event_type", flat=True))
    assert "screening.detected" in events
    assert ("screening.answered" in events) is (screened == "accepted")
