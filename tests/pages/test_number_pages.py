"""A number's page: its settings, webhook and release."""

import pytest
from django.test import Client

from accounts.models import Developer
from tests.factories import make_developer
from tests.pages.rows import make_number, number_form
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def developer() -> Developer:
    return make_developer(email="jane@example.com")


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def test_a_number_can_be_configured(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    assert_valid_page(client.get(f"/numbers/{number.pk}").content.decode())
    form = number_form(
        mode="streaming",
        model="local-offline",
        label="Bakery",
        system_prompt="You sell bread.\r\nBe short.",
        tools='[{"name": "check", "parameters": {"date": "string"}}]',
        tool_webhook_url="http://127.0.0.1:9/tools",
        silence_timeout="20",
        recording_enabled="on",
    )
    assert client.post(f"/numbers/{number.pk}", form)["Location"] == f"/numbers/{number.pk}"
    number.refresh_from_db()
    assert number.mode == "streaming"
    assert number.label == "Bakery"
    assert number.model_slug == "local-offline"
    assert number.system_prompt.splitlines() == ["You sell bread.", "Be short."]
    assert number.tools == [{"name": "check", "parameters": {"date": "string"}}]
    assert number.silence_timeout == 20
    assert number.recording_enabled is True
    assert number.transcription_enabled is None  # not set
    assert_valid_page(client.get(f"/numbers/{number.pk}").content.decode())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mode": "streaming", "model": "local-offline"}, "A system prompt is required in streaming mode"),
        ({"tools": "[{"}, "This is not valid JSON"),
        ({"tools": '[{"name": "end_call"}]', "tool_webhook_url": "http://127.0.0.1:9/"}, "built-in tool"),
        ({"tools": '[{"name": "check"}]'}, "A tool webhook URL is required"),
        ({"silence_timeout": "9"}, "Enter 10 or more."),
        ({"transfer_number": "12345"}, "E.164"),
        ({"webhook_url": "ftp://example.com"}, "http"),
        ({"language": "not a language"}, "BCP-47"),
        ({"model": "gpt-realtime-1.5", "voice": "Kore"}, "has no voice Kore. Its voices: marin, cedar,"),
        ({"agent_id": "999"}, "Select a valid choice"),
    ],
)
def test_an_invalid_configuration_shows_errors_and_changes_nothing(
    client: Client, developer: Developer, changes: dict[str, str], text: str
) -> None:
    number = make_number(developer)
    response = client.post(f"/numbers/{number.pk}", number_form(label="New", **changes))
    assert response.status_code == 200
    assert text in response.content.decode()
    number.refresh_from_db()
    assert number.label == ""


def test_a_webhook_can_be_tested(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    assert "no webhook URL yet" in client.post(f"/numbers/{number.pk}/test-webhook", follow=True).content.decode()
    number.webhook_url = "https://example.com/hook"
    number.save()
    assert client.post(f"/numbers/{number.pk}/test-webhook")["Location"] == "/webhooks?event=webhook.test"
    delivery = WebhookDelivery.objects.get()
    assert (delivery.url, delivery.subject) == ("https://example.com/hook", f"number:{number.pk}")
    assert f'"phone_number":"{number.e164}"' in delivery.body


def test_releasing_a_number_requires_post(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    assert client.get(f"/numbers/{number.pk}/release").status_code == 405
