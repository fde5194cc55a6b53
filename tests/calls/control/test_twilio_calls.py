"""Calls over Twilio's protocol: the exchange on one side, our webhooks on the other, real requests in between."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from calls.control import outbound, running_calls
from calls.models import Call, CallEvent, CarrierEventRecord, TranscriptEntry
from calls.webhook_mode.call_replies import CallReplies
from phone_numbers.carriers.base import DialRequest
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import able, forget_carriers
from phone_numbers.models import CallScript, CarrierCommand, PhoneNumber
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.handsets.steps import HangUp, Say, Wait, WaitForSpeech
from tests import carriers
from tests.calls.rows import make_account, make_streaming_number
from tests.calls.threads import finish_commands
from tests.fakes.exchange_thread import ExchangeThread
from tests.sandbox.exchange.twilio.test_gather import Recognizer
from tests.waiting import eventually
from webhooks.models import WebhookDelivery

SID, TOKEN = "AC" + "0123456789abcdef" * 2, "twilio-token"
NUMBER, PERSON, OTHER = "+14155550100", "+12025550123", "+12025550124"
pytestmark = pytest.mark.django_db(transaction=True)


async def speak(text: str) -> bytes:
    """A voice that plays 0.1 seconds of a tone per word."""
    return tone(440, 0.1 * len(text.split()))


@pytest.fixture
def exchange(live_server: Any, settings: Any, empty_redis: Any) -> Iterator[ExchangeThread]:
    settings.PUBLIC_URL = live_server.url
    with ExchangeThread(twilio_accounts={SID: TOKEN}, tts=speak, recognizer=Recognizer()) as running:
        options = {"account_sid": SID, "auth_token": TOKEN, "base_url": running.exchange.url}
        carriers.configure(settings, options, "twilio")
        yield running
        forget_carriers()
    finish_commands()


def owned(exchange: ExchangeThread, settings: Any, **fields: Any) -> PhoneNumber:
    """One of our numbers at Twilio, in webhook mode."""
    at = f"{settings.PUBLIC_URL}/webhooks/twilio"

    async def own() -> None:
        exchange.exchange.twilio.own(NUMBER, SID, voice_url=f"{at}/voice", status_callback=f"{at}/status")

    exchange.run(own())
    return make_streaming_number(
        make_account(), e164=NUMBER, carrier="twilio", **{"mode": "webhook", "model_slug": None, **fields}
    )


def dial_number(exchange: ExchangeThread, *steps: Any) -> ScriptedHandset:
    """A person dials the number."""

    async def dial() -> ScriptedHandset:
        handset = exchange.exchange.handset(PERSON, steps)
        assert await exchange.exchange.call(handset, NUMBER) is not None
        return handset

    return exchange.run(dial())


def plug_in_handset(exchange: ExchangeThread, number: str, *steps: Any, **how: Any) -> ScriptedHandset:
    async def plug_in() -> ScriptedHandset:
        return exchange.exchange.handset(number, steps, **how)

    return exchange.run(plug_in())


def only_call() -> Call:
    return Call.objects.get()


def reply(event: str, **action: Any) -> None:
    """Respond to the last webhook of this type as the developer's server would."""
    eventually(lambda: WebhookDelivery.objects.filter(event_type=event).exists())
    hook = WebhookDelivery.objects.filter(event_type=event).latest("id")
    assert CallReplies().take(hook, json.dumps(action)) == ""


def events() -> list[str]:
    return list(CallEvent.objects.order_by("event_timestamp", "id").values_list("event_type", flat=True))


def place(number: PhoneNumber) -> Call:
    call = outbound.begin_call(
        developer=number.developer, number=number, to=PERSON, mode="webhook", request={}, agent=None
    )
    outbound.dial(call)
    return call


def test_an_inbound_call_is_answered_transcribed_and_ended(exchange: ExchangeThread, settings: Any) -> None:
    owned(exchange, settings)
    dial_number(exchange, WaitForSpeech(), Wait(2.5), Say(pcm16=tone(300, 1.5)), Wait(30))
    reply("call.incoming", action="answer", text="Good day to you.")
    eventually(lambda: TranscriptEntry.objects.filter(role="user").exists())
    reply("call.speech", action="hangup")
    eventually(lambda: only_call().is_over)
    call = only_call()
    assert (call.status, call.hangup_cause, call.carrier) == ("completed", "normal_clearing", "twilio")
    assert (str(call.telephony_cost), str(call.transcription_cost)) == ("0.040000", "0.020000")
    greeting, answer = TranscriptEntry.objects.order_by("id")
    assert (greeting.role, greeting.text, answer.role) == ("model", "Good day to you.", "user")
    assert answer.text.endswith(" seconds")  # a busy machine is late with a document and misses the first tenths
    happened = events()
    assert happened.count("speak.started") == happened.count("speak.ended") == 1
    assert happened[-1] == "call.ended"


def test_a_call_without_a_webhook_url_rings_and_is_refused_as_busy(exchange: ExchangeThread, settings: Any) -> None:
    owned(exchange, settings, webhook_url="")
    handset = dial_number(exchange)
    eventually(lambda: handset.cause != "")
    assert (handset.cause, only_call().hangup_cause) == ("user_busy", "webhook_failed")
    assert only_call().total_cost == 0


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ({"on_ring": "busy"}, "busy"),
        ({"on_ring": "decline"}, "rejected"),
    ],
)
def test_an_outbound_call_that_nobody_answers_says_why(
    exchange: ExchangeThread, settings: Any, how: dict[str, Any], cause: str
) -> None:
    number = owned(exchange, settings)
    plug_in_handset(exchange, PERSON, **how)
    place(number)
    eventually(lambda: only_call().is_over)
    assert (only_call().status, only_call().hangup_cause, only_call().total_cost) == ("failed", cause, 0)


def test_an_outbound_call_is_transferred_and_billed_in_two_phases(exchange: ExchangeThread, settings: Any) -> None:
    number = owned(exchange, settings)
    first = plug_in_handset(exchange, PERSON, WaitForSpeech(timeout_seconds=60), Wait(2), HangUp())
    # Speaks until it is heard: on a busy machine, the two are connected long after the second has answered.
    second = plug_in_handset(exchange, OTHER, *[Say(pcm16=tone(700, 0.6)), Wait(1)] * 20)
    call = place(number)
    eventually(lambda: only_call().status == "answered")
    running_calls.transfer(call=call, to=OTHER)
    eventually(lambda: only_call().is_over)
    call.refresh_from_db()
    assert (call.hangup_cause, call.transfers.get().failed_at) == ("transferred", None)
    assert (str(call.telephony_cost), first.has_heard_speech) == ("0.100000", True)
    assert second.cause != ""
    assert {"transfer.requested", "transfer.answered", "call.ended"} <= set(events())


def test_connecting_two_parties_again_does_not_interrupt_them(exchange: ExchangeThread, settings: Any) -> None:
    """The command is repeated if its process dies between the two halves of a connection, or its response is lost."""
    number = owned(exchange, settings)
    plug_in_handset(exchange, PERSON, WaitForSpeech(), Wait(60))
    person = plug_in_handset(exchange, OTHER, WaitForSpeech(), Wait(60))
    call = place(number)
    eventually(lambda: only_call().status == "answered")
    running_calls.transfer(call=call, to=OTHER, briefing="Ada is calling.")
    eventually(lambda: only_call().transferred_at is not None)
    assert person.has_heard_speech
    call, leg = only_call(), only_call().transfers.get().carrier_call_id
    rooms = exchange.exchange.twilio.accounts[SID].conferences
    eventually(lambda: [len(room.participants) for room in rooms.values()] == [2])
    control = able("twilio", CallControl)
    for _ in range(2):
        control.bridge(carrier_call_id=call.carrier_call_id or "", other_carrier_call_id=leg, command_id="b")
    time.sleep(0.5)
    assert all(control.is_alive(carrier_call_id=sid) for sid in (call.carrier_call_id or "", leg))
    assert not only_call().is_over
    running_calls.hang_up(call=call)
    eventually(lambda: only_call().is_over)
    assert only_call().hangup_cause == "normal_clearing"


@pytest.mark.parametrize("queued_seconds", [0, 5])
def test_a_repeated_dial_returns_the_first_call(
    exchange: ExchangeThread, settings: Any, monkeypatch: pytest.MonkeyPatch, queued_seconds: float
) -> None:
    """Killing the process between the request and its response never dials twice, even while the call is still queued."""
    monkeypatch.setattr("sandbox.exchange.twilio.calls.BEGIN_DELAY_SECONDS", queued_seconds)
    owned(exchange, settings)
    plug_in_handset(exchange, PERSON, Wait(60))
    request = DialRequest(
        from_number=NUMBER, to_number=PERSON, client_state="0", command_id="c-1",
        timeout_seconds=30, time_limit_seconds=60,
    )  # fmt: skip
    control = able("twilio", CallControl)
    made = control.dial(request)
    assert control.dial(request) == made
    CarrierCommand.objects.update(result="")  # as if the process had died before it stored the result
    assert control.dial(request) == made
    assert len(exchange.exchange.twilio.accounts[SID].calls) == 1
    assert control.is_alive(carrier_call_id=made)
    control.hang_up(carrier_call_id=made, command_id="h")
    eventually(lambda: not control.is_alive(carrier_call_id=made))
    control.hang_up(carrier_call_id=made, command_id="h")


# --- signatures -------------------------------------------------------------------------------------------------------
PARAMS = {"CallSid": "CA1", "AccountSid": SID, "CallStatus": "ringing", "From": PERSON, "To": NUMBER}


@pytest.fixture
def behind_a_proxy(settings: Any) -> None:
    settings.PUBLIC_URL = "https://agents.example.com"
    carriers.configure(settings, {"account_sid": SID, "auth_token": TOKEN, "base_url": "http://127.0.0.1:9"}, "twilio")


def post(path: str, params: dict[str, str], signature: str) -> int:
    headers = {"X-Twilio-Signature": signature, "Host": "10.0.0.7"}
    form = "application/x-www-form-urlencoded"
    return Client().post(f"/webhooks/twilio/{path}", urlencode(params), content_type=form, headers=headers).status_code


@pytest.mark.usefixtures("behind_a_proxy")
@pytest.mark.parametrize(
    ("signed_url", "token", "changed", "status"),
    [
        ("https://agents.example.com/webhooks/twilio/status?state=1&mark=a%2Fb", TOKEN, {}, 200),
        ("https://agents.example.com:443/webhooks/twilio/status?state=1&mark=a%2Fb", TOKEN, {}, 200),
        ("https://agents.example.com/webhooks/twilio/status?state=2&mark=a%2Fb", TOKEN, {}, 403),
        ("https://agents.example.com/webhooks/twilio/status", TOKEN, {}, 403),
        ("https://10.0.0.7/webhooks/twilio/status?state=1&mark=a%2Fb", TOKEN, {}, 403),
        ("https://agents.example.com/webhooks/twilio/status?state=1&mark=a%2Fb", "another", {}, 403),
        ("https://agents.example.com/webhooks/twilio/status?state=1&mark=a%2Fb", TOKEN, {"CallStatus": "busy"}, 403),
    ],
)
def test_the_signature_is_checked_over_the_public_url_and_all_parameters(
    signed_url: str, token: str, changed: dict[str, str], status: int
) -> None:
    signature = RequestValidator(token).compute_signature(signed_url, PARAMS)
    assert post("status?state=1&mark=a%2Fb", {**PARAMS, **changed}, signature) == status
    assert CarrierEventRecord.objects.count() == (1 if status == 200 else 0)
    assert CallScript.objects.count() == 0
