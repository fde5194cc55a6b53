"""One account with a number at each carrier: the same calls at the same time have the same results."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from billing.models import LedgerEntry
from calls.control import outbound, running_calls
from calls.models import Call, CallEvent, TranscriptEntry
from calls.webhook_mode.call_replies import CallReplies
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.models import PhoneNumber
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.handsets.steps import Say, Wait, WaitForSpeech
from tests import carriers
from tests.calls.control.test_twilio_calls import SID, TOKEN, speak
from tests.calls.rows import make_account, make_streaming_number
from tests.calls.threads import finish_commands
from tests.fakes.exchange_thread import ExchangeThread
from tests.sandbox.exchange.twilio.test_gather import Recognizer
from tests.waiting import eventually
from webhooks.models import WebhookDelivery

AT_TELNYX, AT_TWILIO = "+14155550100", "+14155550101"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exchange(live_server: Any, settings: Any, empty_redis: Any) -> Iterator[ExchangeThread]:
    """An exchange that speaks both protocols at once."""
    settings.PUBLIC_URL = at = live_server.url
    options = {"twilio_accounts": {SID: TOKEN}, "tts": speak, "recognizer": Recognizer()}
    with ExchangeThread(webhook_url=f"{at}/webhooks/telnyx", **options) as running:
        carriers.configure(settings, running.carrier_options(), "telnyx")
        base = {"account_sid": SID, "auth_token": TOKEN, "base_url": running.exchange.url}
        carriers.configure(settings, base, "twilio")

        async def own() -> None:
            running.exchange.own(AT_TELNYX)
            hooks = {"voice_url": f"{at}/webhooks/twilio/voice", "status_callback": f"{at}/webhooks/twilio/status"}
            running.exchange.twilio.own(AT_TWILIO, SID, **hooks)

        running.run(own())
        yield running
    forget_carriers()
    finish_commands()


@pytest.fixture
def numbers() -> list[PhoneNumber]:
    developer = make_account()
    fields: dict[str, Any] = {"mode": "webhook", "model_slug": None}
    return [
        make_streaming_number(developer, e164=e164, carrier=carrier, **fields)
        for e164, carrier in ((AT_TELNYX, "telnyx"), (AT_TWILIO, "twilio"))
    ]


def call_result(call: Call) -> dict[str, Any]:
    call.refresh_from_db()
    return {
        "ended": (call.status, call.hangup_cause, call.outcome),
        "costs": [str(cost) for cost in (call.telephony_cost, call.transcription_cost, call.total_cost)],
        "bill": sorted(
            (entry.key.split(":", 2)[2], str(entry.amount))
            for entry in LedgerEntry.objects.filter(key__startswith=f"call:{call.pk}:")
        ),
        "events": sorted(CallEvent.objects.filter(call=call).values_list("event_type", flat=True)),
    }


def reply(call: Call, event: str, **action: Any) -> None:
    """Respond to the call's webhook as the developer's server would."""
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type=event)
    eventually(hooks.exists)
    assert CallReplies().take(hooks.get(), json.dumps(action)) == ""


def test_calls_to_a_number_at_each_carrier_are_answered_transcribed_and_ended(
    exchange: ExchangeThread, numbers: list[PhoneNumber]
) -> None:
    async def dial(person: str, number: str) -> ScriptedHandset:
        # Twilio reports the end of its speech after a second of silence.
        steps = [WaitForSpeech(), Wait(2.5), Say(pcm16=tone(300, 1.0)), Wait(30)]
        handset = exchange.exchange.handset(person, steps)
        assert await exchange.exchange.call(handset, number) is not None
        return handset

    handsets = [exchange.run(dial(f"+1202555012{place}", number.e164)) for place, number in enumerate(numbers)]
    calls = []
    for number in numbers:
        eventually(number.calls.exists)
        calls.append(number.calls.get())
        reply(calls[-1], "call.incoming", action="answer", text="Good day to you.")
    for call in calls:
        reply(call, "call.speech", action="hangup")
    for call in calls:
        eventually(lambda call=call: Call.objects.get(pk=call.pk).settled_at is not None)  # type: ignore[misc]
    at_telnyx, at_twilio = (call_result(call) for call in calls)
    for call in calls:
        greeting, answer = TranscriptEntry.objects.filter(call=call).order_by("id")
        assert (greeting.role, greeting.text, answer.role) == ("model", "Good day to you.", "user")
        assert answer.text.endswith(" seconds")
    assert at_telnyx == at_twilio
    assert (at_twilio["ended"], at_twilio["costs"]) == (
        ("completed", "normal_clearing", ""),
        ["0.040000", "0.020000", "0.060000"],
    )
    assert [handset.cause for handset in handsets] == ["normal_clearing"] * 2


def test_calls_from_a_number_at_each_carrier_can_be_hung_up(
    exchange: ExchangeThread, numbers: list[PhoneNumber]
) -> None:
    people = ["+12025550120", "+12025550121"]

    async def plug_in() -> None:
        for person in people:
            exchange.exchange.handset(person, [Wait(60)])

    exchange.run(plug_in())
    calls = [
        outbound.begin_call(
            developer=number.developer, number=number, to=person, mode="webhook", request={}, agent=None
        )
        for number, person in zip(numbers, people, strict=True)
    ]
    for call in calls:
        outbound.dial(call)
    for call in calls:
        eventually(lambda call=call: Call.objects.get(pk=call.pk).status == "answered")  # type: ignore[misc]
        running_calls.hang_up(call=call)
    for call in calls:
        eventually(lambda call=call: Call.objects.get(pk=call.pk).settled_at is not None)  # type: ignore[misc]
    at_telnyx, at_twilio = (call_result(call) for call in calls)
    assert at_telnyx == at_twilio
    assert at_twilio["ended"] == ("completed", "normal_clearing", "person")
