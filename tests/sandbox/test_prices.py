"""The price of a call on the Sandbox page, and the number of demo calls left."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from calls.models import Call
from sandbox.services import start_demo_call
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_agent

SCHEMA = {"summary": {"type": "text", "description": "What was it about?"}}


@pytest.fixture
def developer(empty_redis: object) -> Developer:
    return make_account("10")


@pytest.fixture
def client(developer: Developer) -> Client:
    client = Client()
    client.force_login(developer)
    return client


def shown_price(client: Client, agent: str) -> str:
    response = client.get("/sandbox/price", {"agent": agent})
    assert response.status_code == 200
    return response.content.decode().partition(">")[2].partition("</p>")[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("settings_of_agent", "expected"),
    [
        ({}, "Telephony: free. AI model: Gemini 3.1 Flash Live, $0.04 per minute."),
        ({"model_slug": "gpt-realtime-1.5"}, "Telephony: free. AI model: GPT Realtime 1.5, $0.12 per minute."),
        (
            {"analysis_schema": SCHEMA},
            "Telephony: free. AI model: Gemini 3.1 Flash Live, $0.04 per minute. Analysis: $0.01 per call.",
        ),
        (
            {"recording_enabled": True, "transcription_enabled": True},
            "Telephony: free. AI model: Gemini 3.1 Flash Live, $0.04 per minute. Whisper transcription: $0.03 per minute.",
        ),
    ],
    ids=["default", "another model", "analysis", "whisper"],
)
def test_the_price_of_a_number_follows_its_agent(
    client: Client, developer: Developer, settings_of_agent: dict[str, Any], expected: str
) -> None:
    agent = make_agent(developer=developer, **{"model_slug": "gemini-3.1-flash-live", **settings_of_agent})
    number = make_streaming_number(developer, agent=agent, model_slug=None)
    assert shown_price(client, str(number.pk)) == expected
    assert expected in client.get("/sandbox").content.decode()


@pytest.mark.django_db
def test_the_demo_counter_is_current(client: Client, developer: Developer) -> None:
    assert shown_price(client, "demo") == "Free. 3 demo calls left."
    assert "Free. 3 demo calls left." in client.get("/sandbox").content.decode()
    for left in ("2 demo calls left.", "1 demo call left."):
        start_demo_call(developer=developer)
        assert shown_price(client, "demo") == f"Free. {left}"
    start_demo_call(developer=developer)
    assert shown_price(client, "demo").startswith("You have used all demo calls.")


@pytest.mark.django_db
def test_another_accounts_number_has_no_price(client: Client, developer: Developer) -> None:
    foreign = make_streaming_number(make_account("10"))
    assert shown_price(client, str(foreign.pk)) == "Free. 3 demo calls left."
    assert not Call.objects.exists()
