"""The developer's server controls the call: its actions, the caller's speech, the bill."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing import ledger
from billing.models import LedgerEntry
from calls.clock import sweeper
from calls.control import inbound, lifecycle, running_calls, speech
from calls.live import live_call
from calls.models import Call, CallEvent, TranscriptEntry, Utterance
from calls.webhook_mode.actions import MalformedAction, parse_action
from calls.webhook_mode.call_replies import CallReplies
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.http.outbound_http import PostResult
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.sending import delivery, outcomes

BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


class Line:
    """An inbound call, as the carrier reports it."""

    def __init__(self, balance: str = "10", **fields: Any) -> None:
        settings = {"mode": "webhook", "model_slug": None, "system_prompt": None, **fields}
        self.number = make_streaming_number(make_account(balance), **settings)
        self.control = f"v3:{self.number.pk}"
        self._events = 0
        self.report(CarrierEventType.INITIATED, 0, direction="inbound")

    def report(self, kind: CarrierEventType, seconds: float, **fields: Any) -> None:
        self._events += 1
        inbound.receive(
            CarrierEvent(
                type=kind,
                event_id=f"{self.control}:{self._events}",
                carrier_call_id=self.control,
                occurred_at=after(seconds),
                **{"from_number": "+15551230000", "to_number": self.number.e164, **fields},
                carrier="telnyx",
            )
        )

    @property
    def call(self) -> Call:
        return Call.objects.get(carrier_call_id=self.control)

    def hook(self, event: str) -> WebhookDelivery:
        return WebhookDelivery.objects.filter(subject=f"call:{self.call.pk}", event_type=event).latest("id")

    def reply(self, event: str, **action: Any) -> str:
        return CallReplies().take(self.hook(event), json.dumps(action))

    def answered(self, **action: Any) -> "Line":
        assert self.reply("call.incoming", **(action or {"action": "answer"})) == ""
        self.report(CarrierEventType.ANSWERED, 2)
        return self

    def said(self) -> list[tuple[str, Any]]:
        """The agent's texts, each with "complete" or the milliseconds after which it was cut off."""
        rows = TranscriptEntry.objects.filter(call=self.call, role="model")
        return [(row.text, row.interrupted_at_ms if row.interrupted else "complete") for row in rows]

    def events(self) -> list[str]:
        return list(CallEvent.objects.filter(call=self.call).values_list("event_type", flat=True))


# --- actions ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not valid JSON"),
        ("<html>", "not valid JSON"),
        ("[]", 'no "action"'),
        ('{"status": "ok"}', 'no "action"'),
        ('{"action": "say"}', "must be one of answer, speak, transfer, hangup"),
        ('{"action": ["speak"]}', "must be one of"),
        ('{"action": "speak"}', 'requires a "text"'),
        ('{"action": "speak", "text": " "}', 'requires a "text"'),
        ('{"action": "speak", "text": 5}', 'requires a "text"'),
        ('{"action": "answer", "text": 5}', 'requires a "text"'),
        (json.dumps({"action": "speak", "text": "x" * 5001}), "at most 5000"),
        ('{"action": "hangup", "more": ' + "[" * 65 + "]" * 65 + "}", "nested"),
        ('{"action": "transfer"}', "E.164"),
        ('{"action": "transfer", "to": "911"}', "E.164"),
    ],
)
def test_malformed_actions_are_refused_with_the_problem(body: str, problem: str) -> None:
    with pytest.raises(MalformedAction, match=problem):
        parse_action(body)


def test_the_documented_actions_are_accepted() -> None:
    assert parse_action('{"action": "answer"}').name == "answer"
    assert parse_action('{"action": "answer", "text": "Hello! How can I help?"}').text == "Hello! How can I help?"
    assert parse_action('{"action": "speak", "text": "Confirmed.", "more": 1}').text == "Confirmed."
    assert parse_action('{"action": "transfer", "to": "+15559876543"}').to == "+15559876543"
    assert parse_action('{"action": "hangup"}').name == "hangup"


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("One. Two! Three?", 100, ["One. Two! Three?"]),
        ("One. Two! Three?", 9, ["One. Two!", "Three?"]),
        ("One: a long first one. Two.", 24, ["One: a long first one.", "Two."]),
        ("One of its kind: which is long. Two.", 24, ["One of its kind:", "which is long. Two."]),
        ("一つ目です。二つ目です。", 8, ["一つ目です。", "二つ目です。"]),
        ("a sentence without an end", 10, ["a sentence", "without an", "end"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("  One.\n\nTwo.  ", 100, ["One. Two."]),
    ],
)
def test_texts_are_split_at_the_end_of_sentences(text: str, limit: int, pieces: list[str]) -> None:
    assert list(speech.split_text(text, limit)) == pieces


# --- calls ------------------------------------------------------------------------------------------------------------
def test_a_call_rings_until_its_server_answers() -> None:
    line = Line()
    assert (line.call.status, line.call.answer_requested_at) == ("ringing", None)
    hook = line.hook("call.incoming")
    assert hook.wants_reply
    assert json.loads(hook.body) == {
        "event": "call.incoming",
        "call_id": str(line.call.pk),
        "phone_number_id": str(line.number.pk),
        "from": "+15551230000",
        "to": line.number.e164,
        "direction": "inbound",
        "timestamp": "2026-11-20T12:00:00Z",
    }
    line.answered(action="answer", text="Hello!")
    assert (line.call.status, line.call.model_rate) == ("answered", 0)
    assert Utterance.objects.get(call=line.call).text == "Hello!"
    # The same response, repeated after a crash, is carried out once.
    assert line.reply("call.incoming", action="answer", text="Hello!") == ""
    assert Utterance.objects.filter(call=line.call).count() == 1


def test_the_server_gets_the_callers_words_and_the_caller_the_servers() -> None:
    line = Line().answered()
    line.report(CarrierEventType.TRANSCRIPTION, 15, detail="I'd like to make a reservation for two")
    hook = line.hook("call.speech")
    assert hook.wants_reply
    assert json.loads(hook.body) == {
        "event": "call.speech",
        "call_id": str(line.call.pk),
        "text": "I'd like to make a reservation for two",
        "timestamp": "2026-11-20T12:00:15Z",
    }
    assert line.reply("call.speech", action="speak", text="Your reservation is confirmed.") == ""
    assert line.reply("call.speech", action="hangup") == ""
    line.report(CarrierEventType.ENDED, 62.5, cause="normal_clearing")
    call = line.call
    assert (call.status, call.hangup_cause) == ("completed", "normal_clearing")
    entries = LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:").order_by("key")
    assert [entry.key.rpartition(":")[2] for entry in entries] == ["telephony", "transcription"]
    assert (call.transcription_cost, call.model_cost) == (Decimal("0.02"), Decimal(0))
    assert ledger.balance(call.developer_id) == Decimal(10) - call.total_cost


def test_without_transcribed_speech_there_is_no_charge_for_transcription() -> None:
    line = Line().answered()
    line.report(CarrierEventType.TRANSCRIPTION, 10, detail="")
    line.report(CarrierEventType.ENDED, 30, cause="normal_clearing")
    assert (line.call.total_cost, line.call.transcription_cost) == (Decimal("0.04"), Decimal(0))
    assert not WebhookDelivery.objects.filter(event_type="call.speech").exists()


@pytest.mark.parametrize("interruptible", [True, False, None])
def test_barge_in_stops_the_agent_if_the_number_allows_it(interruptible: bool | None) -> None:
    line = Line(interruptible=interruptible).answered(action="answer", text="A long story.")
    utterance = Utterance.objects.get(call=line.call)
    speech.note_sent(line.call, utterance, 2, at=after(2.5))
    line.report(CarrierEventType.SPEAK_STARTED, 3)
    line.report(CarrierEventType.SPEAK_ENDED, 4)
    utterance.refresh_from_db()
    assert (utterance.pieces_to_come, utterance.ended_at) == (1, None)
    line.report(CarrierEventType.CALLER_SPEAKS, 5)
    line.report(CarrierEventType.CALLER_SPEAKS, 5.1)
    utterance.refresh_from_db()
    stops = interruptible is not False
    assert (utterance.ended_at is not None) == stops
    assert line.events().count("speak.interrupted") == int(stops)
    entry = TranscriptEntry.objects.get(call=line.call, role="model")
    assert (entry.interrupted, entry.interrupted_at_ms) == ((True, 2000) if stops else (False, None))


@pytest.mark.parametrize(
    ("reports", "first", "second"),
    [
        # The carrier reports that the hangup cut off the speech, or reports nothing.
        ([(CarrierEventType.SPEAK_STARTED, 3, ""), (CarrierEventType.SPEAK_ENDED, 9, "call_hangup")], 6000, 0),
        ([(CarrierEventType.SPEAK_STARTED, 3, "")], 6000, 0),
        ([], None, 0),
        (
            [
                (CarrierEventType.SPEAK_STARTED, 3, ""),
                (CarrierEventType.SPEAK_ENDED, 5, "completed"),
                (CarrierEventType.SPEAK_STARTED, 5.5, ""),
            ],
            "complete",
            3500,
        ),
    ],
)
@pytest.mark.parametrize("ended_by", ["caller", "us"])
def test_speech_cut_off_by_a_hangup_is_marked(reports: list[Any], first: Any, second: Any, ended_by: str) -> None:
    line = Line().answered(action="answer", text="A long story.")
    speech.say(line.call, "And another.", key="second")
    for utterance in Utterance.objects.filter(call=line.call):
        speech.note_sent(line.call, utterance, 1, at=after(2.5))
    for kind, seconds, detail in reports:
        line.report(kind, seconds, detail=detail)
    if ended_by == "us":
        lifecycle.request_end(line.call, "normal_clearing", at=after(9))
    line.report(CarrierEventType.ENDED, 9, cause="normal_clearing")
    assert line.said() == [("A long story.", first), ("And another.", second)]
    assert line.call.status == "completed"
    assert not Utterance.objects.filter(call=line.call, ended_at=None).exists()


def test_complete_speech_reported_after_the_hangup_is_complete() -> None:
    line = Line().answered(action="answer", text="A long story.")
    speech.note_sent(line.call, Utterance.objects.get(call=line.call), 1, at=after(2.5))
    line.report(CarrierEventType.SPEAK_STARTED, 3)
    line.report(CarrierEventType.ENDED, 9, cause="normal_clearing")
    assert line.said() == [("A long story.", 6000)]
    line.report(CarrierEventType.SPEAK_ENDED, 8.9, detail="completed")
    assert line.said() == [("A long story.", "complete")]


def test_late_reports_do_not_affect_later_speech() -> None:
    line = Line().answered(action="answer", text="A story that was interrupted.")
    (old,) = Utterance.objects.filter(call=line.call)
    speech.note_sent(line.call, old, 1, at=after(2))
    line.report(CarrierEventType.CALLER_SPEAKS, 4)
    line.report(CarrierEventType.TRANSCRIPTION, 5, detail="Stop.")
    line.reply("call.speech", action="speak", text="As you like.")
    new = Utterance.objects.latest("id")
    speech.note_sent(line.call, new, 1, at=after(6))
    line.report(CarrierEventType.CALLER_SPEAKS, 4.5)
    line.report(CarrierEventType.SPEAK_ENDED, 4.1)
    new.refresh_from_db()
    assert (new.pieces_to_come, new.ended_at) == (1, None)
    line.report(CarrierEventType.CALLER_SPEAKS, 7)
    new.refresh_from_db()
    assert new.ended_at == after(7)
    assert line.events().count("speak.interrupted") == 2


def test_a_server_that_hangs_up_a_ringing_call_refuses_it() -> None:
    line = Line()
    line.reply("call.incoming", action="hangup")
    line.report(CarrierEventType.ENDED, 1, cause="rejected")
    assert (line.call.status, line.call.hangup_cause, line.call.total_cost) == ("failed", "rejected", 0)


def test_a_malformed_response_is_a_failed_attempt_with_the_reason() -> None:
    line = Line()
    hook = line.hook("call.incoming")
    result = delivery.take_reply(hook, PostResult(200, '{"status": "ok"}', 5, None))
    for number in range(4):
        outcomes.record_failure(hook, result, after(number), (5.0, 30.0, 120.0))
        hook.refresh_from_db()
    assert (hook.status, hook.attempt_count) == ("failed", 4)
    attempt = WebhookAttempt.objects.filter(delivery=hook).earliest("number")
    assert (attempt.success, attempt.error_message) == (False, 'The response has no "action".')
    # No retries are left.
    call = line.call
    assert call.end_requested_cause == "webhook_failed"
    line.report(CarrierEventType.ENDED, 160, cause="rejected")
    assert (line.call.status, line.call.hangup_cause, line.call.total_cost) == ("failed", "webhook_failed", 0)
    assert not CallReplies().is_wanted(hook)


def test_a_caller_who_hangs_up_while_the_server_fails_gets_its_cause() -> None:
    line = Line()
    outcomes.record_failure(line.hook("call.incoming"), PostResult(500, "", 5, None), after(0), (5.0, 30.0, 120.0))
    line.report(CarrierEventType.ENDED, 20, cause="no_answer")
    assert (line.call.status, line.call.hangup_cause) == ("failed", "webhook_failed")


def test_late_responses_do_nothing() -> None:
    line = Line().answered()
    line.report(CarrierEventType.TRANSCRIPTION, 5, detail="Hello?")
    line.report(CarrierEventType.ENDED, 6, cause="normal_clearing")
    assert line.reply("call.speech", action="speak", text="Too late.") == ""
    assert not Utterance.objects.filter(call=line.call).exists()
    # The carrier may report the last words after the end: they are in the transcript, and no webhook is sent.
    line.report(CarrierEventType.TRANSCRIPTION, 7, detail="Bye.")
    assert list(line.call.transcript.values_list("text", flat=True)) == ["Hello?", "Bye."]
    assert WebhookDelivery.objects.filter(event_type="call.speech").count() == 1


@pytest.mark.parametrize(("webhook_url", "balance", "cause"), [("", "10", "webhook_failed"), ("x", "0.49", "")])
def test_a_call_without_a_webhook_url_or_credit_is_refused(webhook_url: str, balance: str, cause: str) -> None:
    line = Line(balance, **({"webhook_url": ""} if not webhook_url else {}))
    expected = ("failed", cause or "insufficient_balance", Decimal(0))
    assert (line.call.status, line.call.hangup_cause, line.call.total_cost) == expected


def test_keys_are_reported_and_the_transcript_is_announced_once() -> None:
    line = Line().answered()
    line.report(CarrierEventType.DTMF, 4, detail="5")
    assert json.loads(line.hook("call.dtmf").body)["digit"] == "5"
    line.report(CarrierEventType.TRANSCRIPTION, 5, detail="Hello?")
    line.report(CarrierEventType.ENDED, 6, cause="normal_clearing")
    for seconds in (8, 12, 14):
        sweeper.announce_transcripts(after(seconds))
    (ready,) = WebhookDelivery.objects.filter(event_type="call.transcript.ready")
    assert json.loads(ready.body)["call_id"] == str(line.call.pk)


def test_a_ringing_call_waits_for_its_server_until_it_times_out() -> None:
    line = Line()
    sweeper.end_ringing_forever(after(150))
    assert line.call.status == "ringing"
    sweeper.end_ringing_forever(after(250))
    assert line.call.end_requested_cause == "no_answer"


def test_speak_over_the_api() -> None:
    line = Line()
    developer = line.number.developer

    def speak(body: dict[str, Any]) -> Any:
        path = f"/api/v1/calls/{line.call.pk}/speak"
        return Client().post(path, body, content_type="application/json", headers=factories.bearer(developer))

    assert speak({"text": "Hello."}).status_code == 200  # queued until the call is answered
    assert [speak(body).status_code for body in ({}, {"text": ""}, {"text": "x" * 5001}, {"text": 1})] == [422] * 4
    line.answered()
    answer = speak({"text": "x" * 5000})
    assert (answer.status_code, answer.json()["data"]["id"]) == (200, line.call.pk)
    line.report(CarrierEventType.ENDED, 30, cause="normal_clearing")
    assert speak({"text": "Hello."}).status_code == 409
    assert Utterance.objects.filter(call=line.call).count() == 2


def test_text_queued_for_a_streaming_call_is_said_once_by_its_model() -> None:
    call = make_call(make_streaming_number(make_account()), BEGIN, status="ringing", answered_at=None)
    running_calls.speak(call=call, text="Your order is ready.")
    assert live_call.load(call.pk).to_say == ("Your order is ready.",)
    assert live_call.load(call.pk).to_say == ()
    speech.send_waiting(call.pk)  # nothing is sent to the carrier
    assert not CallEvent.objects.filter(call=call).exists()
