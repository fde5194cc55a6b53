"""Errors with Twilio: unexpected API responses, our response lost on its way, and marks of other accounts."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from bubblyphone.core.audio import PCMU_8K
from phone_numbers.carriers import twilio
from phone_numbers.carriers.base import CarrierError, DialRequest, StreamSettings
from phone_numbers.carriers.registry import carrier_of
from phone_numbers.carriers.twilio import TwilioCarrier
from phone_numbers.models import CallScript, CarrierCommand
from tests import carriers
from tests.fakes.recording_server import Answer, ReceivedRequest, RecordingServer

pytestmark = pytest.mark.django_db
SID, TOKEN, CALL = f"AC{'1' * 32}", "twilio-token", "CA1"
HTML = b"<html><body>Not found</body></html>"
PROBLEM = b'{"type": "https://a.example", "title": "Invalid", "status": 400, "code": 21211, "detail": "Invalid To."}'


@pytest.fixture(autouse=True)
def no_waits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (twilio, "DECISION_SECONDS"),
        (twilio, "FIRST_ORDERS_SECONDS"),
        (twilio.calls, "LOOK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0)
    monkeypatch.setattr(twilio.client, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(twilio.speech, "ANSWERED_POLL_SECONDS", 0)
    carriers.configure(settings, {"account_sid": SID, "auth_token": TOKEN, "base_url": "http://127.0.0.1:9"}, "twilio")


def carrier(account_id: int = 0, token: str = TOKEN) -> TwilioCarrier:
    made = carrier_of("twilio", {"account_sid": SID, "auth_token": token}, account_id)
    assert isinstance(made, TwilioCarrier)
    return made


def dial(twilio_carrier: TwilioCarrier) -> str:
    request = DialRequest(
        from_number="+14155550100", to_number="+12025550123", client_state="1", command_id="c-1",
        timeout_seconds=30, time_limit_seconds=60,
    )  # fmt: skip
    return twilio_carrier.dial(request)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, b'{"status": "completed"}'), False),
        (Answer(200, b'{"status": "queued"}'), True),
        (Answer(404, b'{"code": 20404, "status": 404}'), False),
        (Answer(404, HTML), "rejected"),
        (Answer(200, b"{}"), "outcome_unknown"),
        (Answer(200, HTML), "outcome_unknown"),
        (Answer(503, HTML), "outcome_unknown"),
        (Answer(429, b'{"code": 20429}'), "rejected"),
    ],
)
def test_only_twilio_s_own_response_ends_a_call(settings: Any, answer: Answer, outcome: Any) -> None:
    with RecordingServer([answer] * 3) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        try:
            found: Any = carrier().is_alive(carrier_call_id=CALL)
        except CarrierError as error:
            found = error.reason
    assert found == outcome


@pytest.mark.parametrize(
    ("answer", "reason", "is_kept"),
    [
        (Answer(201, b"{}"), "outcome_unknown", True),
        (Answer(502, HTML), "outcome_unknown", True),
        (Answer(429, b"{}"), "rejected", False),
        (Answer(400, PROBLEM), "rejected", False),
    ],
)
def test_a_dial_without_an_id_has_an_unknown_outcome(settings: Any, answer: Answer, reason: str, is_kept: bool) -> None:
    with RecordingServer([answer, Answer(200, b'{"calls": []}')]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        with pytest.raises(CarrierError) as refused:
            dial(carrier())
    assert refused.value.reason == reason
    assert list(CarrierCommand.objects.values_list("command_id", "result")) == ([("c-1", "")] if is_kept else [])


def test_an_order_without_an_id_has_an_unknown_outcome(settings: Any) -> None:
    with RecordingServer([Answer(201, b"{}")]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        with pytest.raises(CarrierError) as refused:
            carrier().order_number(e164="+14155550100", reference="r")
    assert refused.value.reason == "outcome_unknown"


@pytest.mark.parametrize(
    "account", [{}, {"sid": SID, "status": "suspended"}, {"sid": f"AC{'2' * 32}", "status": "active"}]
)
def test_an_account_that_cannot_place_calls_is_refused(settings: Any, account: dict[str, str]) -> None:
    with RecordingServer([Answer(200, json.dumps(account).encode())]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        with pytest.raises(CarrierError):
            carrier().complete_credentials()


NOT_YET = Answer(400, b'{"code": 21220, "message": "Requested resource is not eligible for recording"}')
MADE = Answer(201, b'{"sid": "RE1"}')
NONE_YET = Answer(200, b'{"recordings": []}')


@pytest.mark.parametrize(
    ("answers", "expected", "outcome"),
    [
        ([MADE], "C", "RE1"),
        ([NOT_YET, Answer(200, b'{"status": "ringing"}'), MADE], "CSC", "RE1"),  # the answer is in progress
        ([NOT_YET, Answer(200, b'{"status": "completed"}')], "CS", "call_ended"),
        ([Answer(None), Answer(200, b'{"recordings": [{"sid": "RE1"}]}')], "CL", "RE1"),
        ([Answer(None), NONE_YET, MADE], "CLC", "RE1"),
    ],
)
def test_a_call_is_recorded_once(settings: Any, answers: list[Answer], expected: str, outcome: str) -> None:
    """C: create a recording, S: get the call's status, L: list its recordings."""

    def record() -> None:
        carrier().start_recording(carrier_call_id=CALL, client_state="1", command_id="r")

    with RecordingServer(answers) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        try:
            record()
        except CarrierError as error:
            came_to = error.reason
            if came_to == "outcome_unknown":
                record()
        assert "".join(_kind(each) for each in server.requests) == expected
    came_to = CarrierCommand.objects.get().result or came_to
    assert came_to == outcome


def _kind(request: ReceivedRequest) -> str:
    if not request.path.partition("?")[0].endswith("/Recordings.json"):
        return "S"
    return "C" if request.method == "POST" else "L"


# --- requests from Twilio ---------------------------------------------------------------------------------------------
def ask(settings: Any, path: str, token: str, **changes: str) -> str:
    """Twilio's request for a document. Returns our response. `token` identifies all attempts of one request."""
    params = {"AccountSid": SID, "CallSid": CALL, "CallStatus": "in-progress", "To": "+14155550100", **changes}
    url = f"{settings.PUBLIC_URL}/webhooks/twilio/{path}"
    signature = RequestValidator(TOKEN).compute_signature(url, params)
    headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": token}
    form = "application/x-www-form-urlencoded"
    return Client().post(f"/webhooks/twilio/{path}", urlencode(params), content_type=form, headers=headers).text


def test_a_lost_response_is_repeated_without_side_effects(settings: Any) -> None:
    ask(settings, "voice", "IT1", CallStatus="ringing")
    stream = StreamSettings("wss://a.example/media/once", PCMU_8K)
    carrier().answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=stream)
    first = ask(settings, "next", "IT2")
    assert stream.url in first
    assert ask(settings, "next", "IT2") == first
    second = ask(settings, "next", "IT3")
    assert stream.url not in second
    before = CallScript.objects.get().state
    late = ask(settings, "next", "IT2")
    assert "<Redirect" in late
    assert stream.url not in late
    assert ask(settings, "next", "IT3") == second
    assert CallScript.objects.get().state == before


def test_text_is_not_spoken_again_for_another_attempt(settings: Any) -> None:
    ask(settings, "voice", "IT1", CallStatus="ringing")
    ours = carrier()
    ours.answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=None)
    ours.speak(carrier_call_id=CALL, command_id="s", text="Good day.", voice="", language="")
    ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
    assert "Good day." in ask(settings, "next", "IT2")
    assert "Good day." not in ask(settings, "heard?n=1", "IT3", SpeechResult="Hello.")
    assert "Good day." not in ask(settings, "heard?n=1", "IT3", SpeechResult="Hello.")
    assert "Good day." not in ask(settings, "heard?n=1", "IT2", SpeechResult="Hello.")


def test_a_failed_transcription_command_is_executed_when_repeated(settings: Any) -> None:
    ask(settings, "voice", "IT1", CallStatus="ringing")
    ours = carrier()
    ours.answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=None)
    ask(settings, "next", "IT2")
    with RecordingServer([Answer(500, HTML), Answer(200, b'{"sid": "CA1"}')]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        ours = carrier()
        with pytest.raises(CarrierError):
            ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
        ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
        assert [request.path.rpartition("/")[2] for request in server.requests] == ["CA1.json"] * 2
        assert "<Gather" in ask(settings, "next", "IT3")
        ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
        assert len(server.requests) == 2


def test_commands_share_a_document_and_wait_while_the_caller_speaks(settings: Any) -> None:
    """Each further document would cut off the one before, with what the caller is saying."""

    def say(text: str) -> None:
        ours.speak(carrier_call_id=CALL, command_id=text, text=text, voice="", language="")

    ask(settings, "voice", "IT1", CallStatus="ringing")
    carrier().answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=None)
    ask(settings, "next", "IT2")
    with RecordingServer([Answer(200, b'{"sid": "CA1"}')]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        ours = carrier()
        say("Good day.")
        ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
        assert len(server.requests) == 1
        document = ask(settings, "next", "IT3")
        assert "<Gather" in document
        assert "Good day." in document
        assert "Good day." not in ask(settings, "heard?n=2", "IT4")
        ask(settings, "partial?n=2", "IT5")  # of the document before
        say("Hello?")
        assert len(server.requests) == 2
        assert "Hello?" in ask(settings, "next", "IT6")
        ask(settings, "heard?n=4", "IT7")
        ask(settings, "partial?n=5", "IT8")
        say("Still there?")
        assert len(server.requests) == 2
        assert "Still there?" in ask(settings, "heard?n=5", "IT9", SpeechResult="A table for two.")


@pytest.mark.parametrize("interruptible", [True, False])
def test_speech_interrupts_a_text_only_if_callers_can_interrupt(settings: Any, interruptible: bool) -> None:
    ask(settings, "voice", "IT1", CallStatus="ringing")
    ours = carrier()
    ours.answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=None)
    ours.speak(carrier_call_id=CALL, command_id="s", text="Good day.", voice="", language="")
    ours.start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=interruptible)
    assert f'bargeIn="{str(interruptible).lower()}"' in ask(settings, "next", "IT2")


def test_a_text_leaves_a_caller_in_their_conference(settings: Any) -> None:
    """A developer's response can arrive while the caller is being connected to someone else."""
    ask(settings, "voice", "IT1", CallStatus="ringing")
    carrier().answer(carrier_call_id=CALL, client_state="1", command_id="a", stream=None)
    ask(settings, "next", "IT2")
    with RecordingServer([Answer(200, b'{"sid": "CA1"}')]) as server:
        carriers.configure(settings, {"base_url": server.url}, "twilio")
        carrier().bridge(carrier_call_id=CALL, other_carrier_call_id="CA2", command_id="b")
        assert "<Conference" in ask(settings, "next", "IT3")
        carrier().speak(carrier_call_id=CALL, command_id="s", text="One moment.", voice="", language="")
        carrier().start_transcription(carrier_call_id=CALL, command_id="t", language="", interim=True)
        assert len(server.requests) == 1


def test_a_mark_of_another_account_is_ignored(settings: Any) -> None:
    CarrierCommand.objects.create(command_id="c-1")
    for mark in ("c-1", f"c-1.{'0' * 20}", carrier(7).account.mark_of("c-1"), ""):
        ask(settings, f"status?{urlencode({'mark': mark})}", "IT1", CallSid="CAforged")
        assert CarrierCommand.objects.get().result == ""
    ask(settings, f"status?{urlencode({'mark': carrier().account.mark_of('c-1')})}", "IT1")
    assert CarrierCommand.objects.get().result == CALL
