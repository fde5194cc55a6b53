"""Reports signed by the owner of a carrier account, who can sign anything: stored, refused or ignored, but never an error in our code."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from bubblyphone.core.crypto import encrypt
from calls.models import Call
from phone_numbers.carriers import twilio
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.models import CallScript, CarrierAccount
from tests import carriers
from tests.factories import make_developer

pytestmark = pytest.mark.django_db
SID, TOKEN = f"AC{'1' * 32}", "twilio-token"
CALL = {"AccountSid": SID, "CallSid": "CA1", "CallStatus": "in-progress", "From": "+12025550123", "To": "+14155550100"}
TEXTS = [
    "\0",
    "a\0b",
    "\u202e",
    "é" * 300,
    "9" * 5000,
    "x" * 100_000,
    "-1",
    "²",
    "١٢",
    "1e999",
    "NaN",
    "\ud7ff",
    "%00",
    "a\r\nb",
]
DATES = [
    "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", f"30 Nov {'9' * 30} 00:00:00 +0000", "30 Nov 2026 99:99:99",
    "Mon, 30 Nov 2026 00:00:00 +9999999999", "-", "\0",
]  # fmt: skip
NAMES = ["voice", "next", "heard", "status", "partial", "machine", "recording", "other"]
FIELDS = ("CallSid", "CallStatus", "From", "To", "CallDuration", "Direction", "SpeechResult", "Digits", "RecordingUrl")


@pytest.fixture
def account(settings: Any) -> Iterator[CarrierAccount]:
    carriers.configure(settings, {"base_url": "http://127.0.0.1:9"}, slug="twilio")
    credentials = encrypt(json.dumps({"account_sid": SID, "auth_token": TOKEN}))
    yield CarrierAccount.objects.create(
        developer=make_developer(), provider="twilio", encrypted=credentials, last_four="oken"
    )
    forget_carriers()


def report(account: CarrierAccount, settings: Any, name: str, params: dict[str, str], **query: str) -> int:
    query_string = f"?{urlencode(query)}" if query else ""
    url = f"{account.webhook_url}/{name}{query_string}"
    headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, params)}
    return (
        Client(raise_request_exception=False)
        .post(
            url.removeprefix(settings.PUBLIC_URL),
            urlencode(params),
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )
        .status_code
    )


def requests() -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Name, parameters and query. Each name gets some of the texts in each field, and together they get all."""
    for place, name in enumerate(NAMES):
        for field in FIELDS:
            yield name, CALL | {field: TEXTS[(place + len(field)) % len(TEXTS)]}, {}
        for text in TEXTS[place % 3 :: 3]:
            yield name, CALL | {"CallSid": text}, {}
            yield name, CALL, {"state": text, "joins": text, "n": text, "mark": text}
    for date in DATES:
        recording = {"Timestamp": date, "RecordingStartTime": date, "RecordingStatus": "completed"}
        recording |= {"RecordingSid": "RE1", "RecordingUrl": "https://a.example/r"}
        yield "status", CALL | recording, {}
        yield "recording", CALL | recording, {}


def test_odd_reports(account: CarrierAccount, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for wait in ("DECISION_SECONDS", "FIRST_ORDERS_SECONDS"):
        monkeypatch.setattr(twilio, wait, 0)  # nobody decides about calls that do not exist
    faults = [
        f"{name[:20]} {str(params)[-120:]} {str(query)[:80]}: {status}"
        for name, params, query in requests()
        if (status := report(account, settings, name, params, **query)) not in {200, 400, 403, 404}
    ]
    assert not faults, "\n".join(faults)
    assert not Call.objects.exists()
    assert not CallScript.objects.exclude(account=SID).exists()
