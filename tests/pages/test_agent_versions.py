"""Agent versions: published through the page and the API, compared, restored, and answering a number that is pinned to one."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents import versions
from agents.models import Agent
from agents.services import create_agent, create_model_key, delete_model_key, update_agent
from bubblyphone.core.errors import Conflict
from calls.control.inbound import receive
from calls.models import Call
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.configuration import update_number
from phone_numbers.models import PhoneNumber
from tests.factories import bearer, make_agent, make_developer, make_phone_number
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.test_agents import agent_form

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

SETTINGS: dict[str, Any] = {
    "name": "Support",
    "model_slug": "local-offline",
    "system_prompt": "You are Mia.\nWe open at 9.\nBe brief.",
    "tools": [{"name": "check", "parameters": {"date": "string"}}],
    "tool_webhook_url": "https://tools.example.com",
    "max_cost_per_call": "0.5",
    "recording_enabled": True,
}


def numbers_of(agent: Agent) -> list[int]:
    return list(agent.versions.values_list("number", flat=True))


def test_only_publishing_creates_a_version_with_its_author(client: Client) -> None:
    developer = make_developer(email="jane@example.com")
    headers = bearer(developer)

    def api(method: str, path: str, body: object) -> Any:
        sent = json.dumps(body).encode()
        return client.generic(method, f"/api/v1/{path}", sent, headers=headers).json()["data"]

    made = api("POST", "agents", SETTINGS)
    agent = Agent.objects.get(pk=made["id"])
    assert (made["version"], numbers_of(agent)) == (1, [1])
    assert api("PATCH", f"agents/{agent.pk}", {"system_prompt": SETTINGS["system_prompt"]})["version"] == 1
    assert api("PATCH", f"agents/{agent.pk}", {"daily_cap": None})["version"] == 1
    assert api("PATCH", f"agents/{agent.pk}", {"voice": "Joe"})["version"] == 2
    page = signed_in_client(developer)
    page.post(f"/agents/{agent.pk}", agent_form(name="Sales", model_slug="local-offline", recording_enabled="on"))
    newest, second, first = agent.versions.all()
    assert [versions.author_of(version) for version in (newest, second, first)] == [
        "jane@example.com",
        "API key Test",
        "API key Test",
    ]
    assert first.values["max_cost_per_call"] == "0.5"
    html = page.get(f"/agents/{agent.pk}/versions").content.decode()
    assert_valid_page(html)
    assert "Version 3" in html
    assert "Voice" in html
    refused = client.generic("PATCH", f"/api/v1/agents/{agent.pk}", b'{"language": "!"}', headers=headers)
    assert (refused.status_code, numbers_of(agent)) == (422, [3, 2, 1])


def test_a_longer_list_of_versions_needs_no_more_queries() -> None:
    agent = create_agent(developer=make_developer(), changes=dict(SETTINGS))
    client = signed_in_client(agent.developer)
    counts = []
    for greeting in ("One.", "Two.", "Three."):
        agent = update_agent(agent=agent, changes={"greeting_message": greeting})
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/agents/{agent.pk}/versions").status_code == 200
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_a_version_shows_its_changes_and_can_be_restored() -> None:
    developer = make_developer()
    agent = create_agent(developer=developer, changes=dict(SETTINGS))
    first = versions.snapshot(agent)
    prompt = "You are Mia.\nWe open at <8>.\nBe brief."
    cleared = {"tools": None, "max_cost_per_call": None, "recording_enabled": None}
    agent = update_agent(agent=agent, changes={"system_prompt": prompt, **cleared})
    client = signed_in_client(developer)
    html = client.get(f"/agents/{agent.pk}/versions/2").content.decode()
    assert_valid_page(html)
    assert '<del><span class="visually-hidden">Removed: </span>We open at 9.</del>' in html
    assert '<ins><span class="visually-hidden">Added: </span>We open at &lt;8&gt;.</ins>' in html
    assert "Greeting" not in html
    assert re.findall(r">(Cleared\.[^<]*)<", html) == ["Cleared.", "Cleared. The default applies: Off", "Cleared."]
    assert_valid_page(client.get(f"/agents/{agent.pk}/versions/1?to=live").content.decode())
    assert client.post(f"/agents/{agent.pk}/versions/1/restore")["Location"] == f"/agents/{agent.pk}/versions"
    agent.refresh_from_db()
    assert (agent.version, versions.snapshot(agent)) == (3, first)
    assert (agent.versions.first().restored, numbers_of(agent)) == (1, [3, 2, 1])


def test_a_version_that_cannot_be_used_anymore_is_not_restored() -> None:
    developer = make_developer()
    key = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    chosen = {"name": "A", "system_prompt": "x", "model_slug": "gemini-3.1-flash-live", "model_key_id": key.pk}
    agent = create_agent(developer=developer, changes=chosen)
    update_agent(agent=agent, changes={"model_key_id": None, "model_slug": "local-offline"})
    delete_model_key(key=key)
    client = signed_in_client(developer)
    html = client.post(f"/agents/{agent.pk}/versions/1/restore", follow=True).content.decode()
    assert "This model key does not exist." in html
    agent.refresh_from_db()
    assert (agent.version, agent.model_slug, numbers_of(agent)) == (2, "local-offline", [2, 1])


def test_versions_of_other_accounts_are_not_found() -> None:
    theirs = make_agent()
    client = signed_in_client(make_developer())
    for path in ("versions", "versions/1"):
        assert client.get(f"/agents/{theirs.pk}/{path}").status_code == 404
    assert client.post(f"/agents/{theirs.pk}/versions/1/restore").status_code == 404
    mine = make_agent(developer=make_developer())
    assert signed_in_client(mine.developer).get(f"/agents/{mine.pk}/versions/2").status_code == 404


def incoming(number: PhoneNumber, reference: str) -> Call:
    receive(
        CarrierEvent(
            event_id=reference, carrier=number.carrier, type=CarrierEventType.INITIATED, carrier_call_id=reference, direction="inbound",
            from_number="+14155550123", to_number=number.e164, occurred_at=number.created_at,
        )
    )  # fmt: skip
    return Call.objects.get(carrier_call_id=reference)


@pytest.mark.usefixtures("exchange")
def test_a_number_keeps_its_pinned_version_and_calls_show_which_one_spoke(client: Client) -> None:
    developer = make_developer()
    agent = create_agent(developer=developer, changes=dict(SETTINGS))
    number = make_phone_number(developer=developer, agent=agent, mode="streaming")
    path, headers = f"/api/v1/phone-numbers/{number.pk}", bearer(developer)

    def patch(body: object) -> Any:
        return client.generic("PATCH", path, json.dumps(body).encode(), headers=headers).json()

    assert patch({"agent_version": 1})["data"]["agent_version"] == 1
    assert patch({"agent_version": 7})["errors"] == {"agent_version": ["The agent has no version 7."]}
    update_agent(agent=agent, changes={"system_prompt": "Another.", "tools": None})
    call = incoming(PhoneNumber.objects.get(pk=number.pk), "one")
    assert (call.agent_version, call.settings.system_prompt) == (1, SETTINGS["system_prompt"])
    assert str(call.settings.max_cost_per_call) == "0.50"
    assert patch({"agent_version": None})["data"]["agent_version"] is None
    live = incoming(PhoneNumber.objects.get(pk=number.pk), "two")
    assert (live.agent_version, live.settings.system_prompt) == (2, "Another.")
    html = signed_in_client(developer).get(f"/calls/{call.pk}").content.decode()
    assert f'<a href="/agents/{agent.pk}/versions/1">version 1</a>' in html


def test_a_new_agent_unpins_the_version_and_a_key_in_a_pinned_version_cannot_be_deleted() -> None:
    developer = make_developer()
    key = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    chosen = {"name": "A", "system_prompt": "x", "model_slug": "gemini-3.1-flash-live", "model_key_id": key.pk}
    agent = create_agent(developer=developer, changes=chosen)
    number = make_phone_number(developer=developer, agent=agent, mode="streaming")
    update_number(number=number, changes={"agent_version": 1})
    update_agent(agent=agent, changes={"model_key_id": None, "model_slug": "local-offline"})
    with pytest.raises(Conflict, match="A, version 1"):
        delete_model_key(key=key)
    other = create_agent(
        developer=developer, changes={"name": "B", "system_prompt": "x", "model_slug": "local-offline"}
    )
    assert update_number(number=number, changes={"agent_id": other.pk}).agent_version is None
    delete_model_key(key=key)
