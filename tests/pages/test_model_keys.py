"""The model keys page: add, test, replace, delete."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents.models import ModelKey
from agents.services import create_model_key
from bubblyphone.core.crypto import decrypt
from tests.factories import make_agent, make_developer, make_phone_number
from tests.fakes.recording_server import Answer, RecordingServer
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
SECRET, OTHER = "sk-proj-abc123r4nk", "sk-proj-another9zzz"


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


@pytest.fixture
def key(developer: Developer) -> ModelKey:
    return create_model_key(developer=developer, provider="openai", api_key=SECRET, label="Production")


def test_a_key_is_added_and_never_shown(client: Client) -> None:
    assert "No model keys" in client.get("/model-keys").content.decode()
    form = {"provider": "openai", "api_key": SECRET, "label": "Production"}
    html = client.post("/model-keys", form, follow=True).content.decode()
    assert_valid_page(html)
    assert "Production" in html
    assert "…r4nk" in html
    assert SECRET not in html
    assert decrypt(ModelKey.objects.get().encrypted) == SECRET


@pytest.mark.parametrize(("typed", "text"), [("short", "at least 10"), ("sk proj abc 123", "spaces"), ("", "required")])
def test_an_invalid_key_is_refused(client: Client, typed: str, text: str) -> None:
    html = client.post("/model-keys", {"provider": "openai", "api_key": typed, "label": ""}).content.decode()
    assert text in html
    assert not ModelKey.objects.exists()


@pytest.mark.parametrize(("status", "text"), [(200, "OpenAI accepts this key."), (401, "OpenAI rejected this key.")])
def test_a_key_can_be_tested(client: Client, key: ModelKey, settings: Any, status: int, text: str) -> None:
    with RecordingServer([Answer(status, b"{}")]) as server:
        entry = settings.MODEL_PROVIDERS["openai"]
        entry = entry | {"OPTIONS": entry["OPTIONS"] | {"base_url": f"{server.url}/v1"}}
        settings.MODEL_PROVIDERS = settings.MODEL_PROVIDERS | {"openai": entry}
        assert text in client.post(f"/model-keys/{key.pk}/test", follow=True).content.decode()


def test_replacing_a_key_keeps_its_agents(client: Client, developer: Developer, key: ModelKey) -> None:
    agent = make_agent(developer=developer, model_key=key)
    refused = client.post(f"/model-keys/{key.pk}/replace", {"api_key": "short"}, follow=True).content.decode()
    assert "at least 10" in refused
    client.post(f"/model-keys/{key.pk}/replace", {"api_key": OTHER})
    key.refresh_from_db()
    assert (decrypt(key.encrypted), key.last_four, key.label) == (OTHER, "9zzz", "Production")
    agent.refresh_from_db()
    assert agent.model_key == key


def test_a_key_in_use_cannot_be_deleted(client: Client, developer: Developer, key: ModelKey) -> None:
    agent = make_agent(developer=developer, name="Sales", model_key=key)
    number = make_phone_number(developer=developer, model_key=key)
    html = client.post(f"/model-keys/{key.pk}/delete", follow=True).content.decode()
    assert f"used by {number.e164}, Sales" in html
    agent.delete()
    number.model_key = None
    number.save()
    client.post(f"/model-keys/{key.pk}/delete")
    assert not ModelKey.objects.exists()


@pytest.mark.parametrize("action", ["test", "replace", "delete"])
def test_keys_of_other_accounts_are_not_found(key: ModelKey, action: str) -> None:
    other = signed_in_client(make_developer())
    assert other.post(f"/model-keys/{key.pk}/{action}", {"api_key": OTHER}).status_code == 404
    key.refresh_from_db()
    assert decrypt(key.encrypted) == SECRET
