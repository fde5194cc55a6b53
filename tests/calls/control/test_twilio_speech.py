"""Texts and a caller's words in calls over Twilio whose requests arrive at a bad moment. Twilio's requests are sent by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from calls.control import commands, running_calls
from calls.models import Call, CallEvent, TranscriptEntry, Utterance
from calls.webhook_mode.call_replies import CallReplies
from phone_numbers.carriers import twilio as adapter
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.models import CallScript
from tests import carriers
from tests.calls.rows import make_account, make_streaming_number
from tests.calls.threads import finish_commands
from tests.fakes.recording_server import Answer, RecordingServer
from tests.waiting import eventually
from webhooks.models import WebhookDelivery

SID, TOKEN, CALL = f"AC{'1' * 32}", "twilio-token", "CA1"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def twilio(settings: Any, empty_redis: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    monkeypatch.setattr(adapter, "DECISION_SECONDS", 0)
    settings.PUBLIC_URL = "https://agents.example.com"
    with RecordingServer([Answer(200, b'{"sid": "CA1"}')]) as server:
        carriers.configure(settings, {"account_sid": SID, "auth_token": TOKEN, "base_url": server.url}, "twilio")
        yield server
        forget_carriers()
    finish_commands()


def ask(path: str, **params: str) -> str:
    """Send one of Twilio's requests. Returns our response."""
    params = {"AccountSid": SID, "CallSid": CALL, "CallStatus": "in-progress", "To": "+14155550100", **params}
    url = f"https://agents.example.com/webhooks/twilio/{path}"
    headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, params)}
    form = "application/x-www-form-urlencoded"
    return Client().post(f"/webhooks/twilio/{path}", urlencode(params), content_type=form, headers=headers).text


def reply(event: str, **action: Any) -> None:
    """Respond to the last webhook of this type as the developer's server would."""
    hook = WebhookDelivery.objects.filter(event_type=event).latest("id")
    assert CallReplies().take(hook, json.dumps(action)) == ""


def wait_until_sent(text: str) -> None:
    eventually(lambda: Utterance.objects.filter(text=text).exclude(sent_at=None).exists())


def begin_call(**fields: Any) -> None:
    """A caller who has heard the first text and now may speak: document 2 listens."""
    make_streaming_number(
        make_account(), carrier="twilio", mode="webhook", model_slug=None, e164="+14155550100", **fields
    )
    ask("voice", CallStatus="ringing", From="+12025550123")
    reply("call.incoming", action="answer", text="Good day.")
    eventually(lambda: "<Pause" not in ask("next", CallStatus="ringing"))
    wait_until_sent("Good day.")
    eventually(lambda: Call.objects.exclude(listening_since=None).exists())
    while Utterance.objects.filter(ended_at=None).exists():
        ask(f"heard?n={number()}")


def number() -> int:
    """Of the current document."""
    return int(CallScript.objects.get().state["number"])


def interruptions() -> int:
    return CallEvent.objects.filter(event_type="speak.interrupted").count()


@contextmanager
def busy_command_threads() -> Iterator[None]:
    """As if the carrier were slow to accept other calls' commands."""
    is_over = threading.Event()
    waiting = [commands.THREADS.submit(is_over.wait) for _ in range(64)]
    yield
    is_over.set()
    for done in waiting:
        done.result()


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_text_sent_while_the_caller_speaks_does_not_cut_them_off(
    twilio: RecordingServer, interruptible: bool
) -> None:
    begin_call(interruptible=interruptible)
    listening, requests = number(), len(twilio.requests)
    ask(f"partial?n={listening}", SequenceNumber="0")
    running_calls.speak(call=Call.objects.get(), text="Are you there?")
    wait_until_sent("Are you there?")
    assert len(twilio.requests) == requests
    with busy_command_threads():
        document = ask(f"heard?n={listening}", SpeechResult="A table for two.")
    assert ("Are you there?" in document) != interruptible
    entries = TranscriptEntry.objects.order_by("spoken_at", "id").values_list("role", "text", "interrupted")
    assert list(entries) == [
        ("model", "Good day.", False),
        ("model", "Are you there?", interruptible),
        ("user", "A table for two.", False),
    ]


@pytest.mark.usefixtures("twilio")
def test_a_late_partial_result_does_not_interrupt_the_answer_to_it() -> None:
    begin_call()
    listening = number()
    ask(f"heard?n={listening}", SpeechResult="A table for two.")
    reply("call.speech", action="speak", text="For when?")
    wait_until_sent("For when?")
    assert "For when?" in ask("next")
    ask(f"partial?n={listening}", SequenceNumber="0")
    assert interruptions() == 0
    ask(f"partial?n={number()}", SequenceNumber="0")
    assert interruptions() == 1
