"""The agent editor: templates, drafts, publishing, and testing unsaved changes."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents import versions
from agents.models import Agent
from agents.services import create_model_key, update_agent
from agents.tools.definitions import tool_problems
from calls.models import Call
from sandbox.agent_templates import TEMPLATES
from sandbox.demo_tool import answer
from tests.factories import make_agent, make_developer
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.test_agents import TOOLS, agent_form

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def developer() -> Developer:
    return make_developer(email="jane@example.com")


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


@pytest.fixture
def agent(developer: Developer) -> Agent:
    return make_agent(developer=developer, model_slug="local-offline", system_prompt="Be brief.")


@pytest.mark.usefixtures("without_keys")
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.key)
def test_a_template_creates_an_agent_that_can_be_tested(client: Client, template: Any) -> None:
    assert template.title in client.get("/agents/new").content.decode()
    made = client.post("/agents/new", {"template": template.key})
    agent = Agent.objects.get()
    assert made["Location"] == f"/agents/{agent.pk}"
    assert (agent.name, agent.version, list(agent.versions.values_list("number", flat=True))) == (
        template.settings["name"],
        1,
        [1],
    )
    assert tool_problems(agent.tools or []) == {}
    for tool in agent.tools or []:
        assert "error" not in answer(tool["name"], dict.fromkeys(tool["parameters"]["properties"], "2026-12-24"))
    html = client.get(f"/agents/{agent.pk}").content.decode()
    assert_valid_page(html)
    assert "The offline model answers." in html
    started = client.post(f"/agents/{agent.pk}/test", {**typed(html), "test-mode": "chat"})
    assert started.status_code == 200, started.content
    assert Call.objects.get().agent_version == 1


def typed(html: str) -> dict[str, str]:
    """The fields that a browser would send from the editor's form."""
    from html.parser import HTMLParser

    found: dict[str, str] = {}

    class Reader(HTMLParser):
        area = select = ""

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            name = given.get("name") or ""
            if tag == "input" and name and not name.startswith("trial-"):
                if given.get("type") != "checkbox" or "checked" in given:
                    found[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")
            elif tag == "textarea":
                self.area = name
                found[name] = ""
            elif tag == "select":
                self.select = name
            elif tag == "option" and self.select and ("selected" in given or self.select not in found):
                found[self.select] = given.get("value") or ""

        def handle_data(self, data: str) -> None:
            if self.area:
                found[self.area] += data

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                found[self.area] = found[self.area].removeprefix("\n")
                self.area = ""
            elif tag == "select":
                self.select = ""

    Reader().feed(html)
    return {
        name: value
        for name, value in found.items()
        if name not in {"link-number", "number", "microphone", "loudspeaker"}
    }


def test_a_draft_is_saved_as_typed_and_published_as_a_whole(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}"
    form = {**typed(client.get(path).content.decode()), "system_prompt": "Half a {{", "tools": "[{", "variable.x": "1"}
    state = client.post(f"{path}/draft", {**form, "action": "draft"}).content.decode()
    assert "Draft saved" in state
    html = client.get(path).content.decode()
    assert_valid_page(html)
    values = typed(html)
    assert (values["system_prompt"], values["tools"]) == ("Half a {{", "[{")
    assert "Not published" in html
    assert "This is not valid JSON" in client.get(f"{path}/draft/changes").content.decode()
    agent.refresh_from_db()
    assert (agent.system_prompt, agent.version) == ("Be brief.", 1)
    refused = client.post(path, {**form, "action": "save"}).content.decode()
    assert 'href="#id_tools"' in refused
    form |= {"tools": json.dumps(TOOLS), "tool_webhook_url": "http://127.0.0.1:9/tools"}
    client.post(path, {**form, "action": "draft"})
    changes = client.get(f"{path}/draft/changes").content.decode()
    assert_valid_page(changes)
    assert "<ins>" in changes
    assert client.post(path, {**form, "action": "save"})["Location"] == path
    agent.refresh_from_db()
    assert (agent.system_prompt, agent.tools, agent.version, agent.draft) == ("Half a {{", TOOLS, 2, "")


def test_saving_an_unchanged_draft_keeps_its_time(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}/draft"
    form = agent_form(action="draft", name="Half", model_slug="local-offline")
    client.post(path, form)
    Agent.objects.update(draft_saved_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    assert "05:06" in client.post(path, form).content.decode()
    client.post(path, {**form, "name": "Whole"})
    agent.refresh_from_db()
    assert agent.draft_saved_at != datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def test_a_draft_that_is_too_large_is_refused_and_the_previous_one_kept(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}"
    form = agent_form(action="draft", name="Half", model_slug="local-offline")
    client.post(f"{path}/draft", form)
    for address, status in ((f"{path}/draft", 422), (path, 200)):
        refused = client.post(address, {**form, "system_prompt": "x" * 400_001})
        assert refused.status_code == status
        assert "The draft is too large to be saved." in refused.content.decode()
    agent.refresh_from_db()
    assert "Half" in agent.draft
    assert len(agent.draft) < 10_000


def test_an_unchanged_form_is_not_a_draft_and_a_draft_can_be_discarded(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}"
    form = typed(client.get(path).content.decode())
    assert "Draft saved" not in client.post(f"{path}/draft", form).content.decode()
    client.post(f"{path}/draft", {**form, "system_prompt": "Another."})
    agent.refresh_from_db()
    assert "Another." in agent.draft
    update_agent(agent=agent, changes={"voice": "Joe"})
    html = client.get(path).content.decode()
    assert "Version 2 was published after you began this draft" in html
    agent.refresh_from_db()
    client.post(f"{path}/draft/discard", {"seen": agent.draft_mark})
    agent.refresh_from_db()
    assert (agent.draft, agent.draft_version, agent.system_prompt, agent.version) == ("", None, "Be brief.", 2)


def test_a_draft_can_be_published_from_the_page_with_its_changes(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}"
    form = typed(client.get(path).content.decode())
    assert client.post(f"{path}/draft/publish")["Location"] == f"{path}/draft/changes"
    client.post(f"{path}/draft", {**form, "system_prompt": "Be brief.", "tools": "[{"})
    assert "Publish" not in client.get(f"{path}/draft/changes").content.decode().partition("<main")[2]
    agent.refresh_from_db()
    assert client.post(f"{path}/draft/publish", {"seen": agent.draft_mark})["Location"] == f"{path}/draft/changes"
    agent.refresh_from_db()
    assert (agent.version, "tools" in agent.draft) == (1, True)
    client.post(f"{path}/draft", {**form, "system_prompt": "Be kind."})
    page = client.get(f"{path}/draft/changes").content.decode()
    assert f'action="{path}/draft/publish"' in page
    assert "Discard the draft?" in page
    agent.refresh_from_db()
    assert page.count(f'name="seen" value="{agent.draft_mark}"') == 2
    assert client.post(f"{path}/draft/publish", {"seen": agent.draft_mark})["Location"] == path
    agent.refresh_from_db()
    assert (agent.system_prompt, agent.version, agent.draft) == ("Be kind.", 2, "")


@pytest.mark.parametrize("action", ["publish", "discard"])
@pytest.mark.parametrize("elsewhere", ["typed on", "published", "discarded"])
def test_only_the_reviewed_draft_can_be_published_or_discarded(
    client: Client, agent: Agent, action: str, elsewhere: str
) -> None:
    path = f"/agents/{agent.pk}/draft"
    form = typed(client.get(f"/agents/{agent.pk}").content.decode())
    client.post(path, {**form, "system_prompt": "Be kind."})
    agent.refresh_from_db()
    seen = agent.draft_mark
    if elsewhere == "typed on":
        client.post(path, {**form, "system_prompt": "Be kind, and"})
    elif elsewhere == "published":
        update_agent(agent=agent, changes={"voice": "Joe"})
    else:
        client.post(f"{path}/discard", {"seen": seen})
    before = Agent.objects.values().get(pk=agent.pk)
    for mark in (seen, ""):
        refused = client.post(f"{path}/{action}", {"seen": mark}, follow=True)
        assert refused.redirect_chain == [(f"{path}/changes", 302)]
        assert "has changed since you opened this page" in refused.content.decode()
    assert Agent.objects.values().get(pk=agent.pk) == before


def test_a_test_uses_the_typed_values_and_changes_nothing(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}"
    before = versions.snapshot(agent)
    form = typed(client.get(path).content.decode())
    form |= {
        "system_prompt": "You call {{customer}} on {{day|Monday}}.", "variable.customer": "Ada", "variable.day": "",
        "screening_message": "I call for {{nobody}}.",  # only for calls that the agent makes
        "test-caller": "+14155550123", "analysis-0-name": "sold", "analysis-0-description": "Sold?", "recording_enabled": "on",
    }  # fmt: skip
    answered = client.post(f"{path}/test", {**form, "test-mode": "chat"})
    assert answered.status_code == 200, answered.content
    call = Call.objects.get()
    assert answered.json()["price_per_minute"] == "0"
    assert (call.is_text, call.sandbox, call.phone_number, call.agent, call.agent_version) == (
        True,
        True,
        None,
        agent,
        None,
    )
    assert (call.from_number, call.settings.system_prompt) == ("+14155550123", "You call Ada on Monday.")
    assert (call.recording_enabled, call.settings.analysis_schema) == (False, None)
    agent.refresh_from_db()
    assert (versions.snapshot(agent), agent.draft) == (before, "")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tools": "[{"}, "Tools: This is not valid JSON"),
        ({"silence_timeout": "1"}, "Silence timeout (seconds):"),
        ({"system_prompt": ""}, "A system prompt is required"),
        ({"system_prompt": "Hello {{customer}}"}, "Missing variables: customer"),
        ({"test-caller": "12"}, "Caller: Enter a number in E.164"),
        ({"voice": "Kore"}, "has no voice Kore"),
    ],
)
def test_an_invalid_agent_cannot_be_tested_and_the_error_says_why(
    client: Client, agent: Agent, changes: dict[str, str], text: str
) -> None:
    form = typed(client.get(f"/agents/{agent.pk}").content.decode())
    refused = client.post(f"/agents/{agent.pk}/test", {**form, **changes, "test-mode": "chat"})
    assert refused.status_code == 422
    assert text in refused.json()["message"]
    assert not Call.objects.exists()


def test_editors_of_other_accounts_are_not_found(client: Client) -> None:
    theirs = make_agent()
    for path in ("draft", "draft/publish", "draft/discard", "test"):
        assert client.post(f"/agents/{theirs.pk}/{path}", agent_form()).status_code == 404
    assert client.get(f"/agents/{theirs.pk}/draft/changes").status_code == 404
    theirs.refresh_from_db()
    assert (theirs.draft, Call.objects.count()) == ("", 0)


def test_voices_and_features_of_the_selected_model_are_shown(client: Client, agent: Agent) -> None:
    html = client.get(f"/agents/{agent.pk}").content.decode()
    assert 'data-voice="Joe" aria-pressed="true"' in html
    assert 'data-listen="/voices/offline.wav"' in html
    for place in set(re.findall(r'hx-sync="#([\w-]+)', html)):  # without this element, htmx would send nothing
        assert f'id="{place}"' in html
    chosen = {**typed(html), "action": "look", "model_slug": "gpt-realtime-1.5", "voice": "Cedar"}
    looked = client.post(f"/agents/{agent.pk}", chosen).content.decode()
    assert_valid_page(looked)
    assert 'data-voice="cedar" aria-pressed="true"' in looked
    assert "Add your OpenAI key</a> to hear samples" in looked
    assert "data-listen" not in looked
    create_model_key(developer=agent.developer, provider="openai", api_key="sk-proj-0123456789")
    looked = client.post(f"/agents/{agent.pk}", chosen).content.decode()
    assert 'data-listen="/voices/sample.wav?model=gpt-realtime-1.5"' in looked
    assert Client().get("/voices/offline.wav")["Location"].startswith("/login?next=")
