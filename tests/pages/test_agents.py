"""The agent pages: the list, the editor without JavaScript, testing tools, copying and deleting."""

import json
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from accounts.models import Developer
from agents.models import Agent, AIModel
from agents.secrets import create_secret
from agents.services import create_model_key
from tests.factories import make_agent, make_developer, make_phone_number
from tests.fakes.recording_server import Answer, RecordingServer
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks.sending.signing import signature_headers, signing_keys

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

TOOLS = [{"name": "check", "description": "Is it free?", "parameters": {"date": "string", "guests": "integer"}}]


@pytest.fixture
def developer() -> Developer:
    return make_developer(email="jane@example.com")


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def agent_form(*rows: dict[str, str], **changes: str) -> dict[str, str]:
    """The form that a browser sends for an agent with only a name, and with these rows of an analysis schema."""
    names = [
        "description", "model_slug", "model_key_id", "system_prompt", "greeting_message", "voice", "language", "tools",
        "tool_webhook_url", "max_call_duration", "silence_timeout", "transfer_number", "voicemail_action", "first_speaker",
    ]  # fmt: skip
    form = {
        **dict.fromkeys(names, ""),
        "name": "Support",
        "hang_up_tool": "on",
        "auto_transfer_tool": "on",
        "keypad_tool": "on",
        "interruptible": "on",
        "silence_prompt": "on",
    }
    form |= {"analysis-TOTAL_FORMS": str(len(rows)), "analysis-INITIAL_FORMS": "0", "action": "save"}
    for index, row in enumerate(rows):
        filled = {"name": "", "type": "text", "options": "", "description": "", **row}
        form |= {f"analysis-{index}-{part}": value for part, value in filled.items()}
    return {**form, **changes}


def test_no_agents_yet(client: Client) -> None:
    html = client.get("/agents").content.decode()
    assert_valid_page(html)
    assert "No agents yet" in html
    assert_valid_page(client.get("/agents/new").content.decode())


def test_an_agent_can_be_changed(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Before")
    saved = client.post(
        f"/agents/{agent.pk}",
        agent_form(
            {"name": "qualified", "type": "boolean", "description": "Does the caller want to buy?"},
            {"name": "outcome", "type": "selector", "options": "sold\r\nlater, perhaps", "description": "How it ended"},
            {},
            model_slug="local-offline",
            system_prompt="You help {{customer}}.",
            tools=json.dumps(TOOLS),
            tool_webhook_url="http://127.0.0.1:9/tools",
            silence_timeout="20",
            max_cost_per_call="0.5",
        ),
    )
    assert saved["Location"] == f"/agents/{agent.pk}"
    agent = Agent.objects.get()
    assert (agent.developer, agent.name, agent.model_slug) == (developer, "Support", "local-offline")
    assert (agent.tools, agent.silence_timeout, agent.voice) == (TOOLS, 20, None)
    assert agent.max_cost_per_call == Decimal("0.5")
    assert (agent.recording_enabled, agent.auto_transfer_tool, agent.interruptible) == (None, None, None)  # not set
    assert agent.analysis_schema == {
        "qualified": {"type": "boolean", "description": "Does the caller want to buy?"},
        "outcome": {"type": "selector", "description": "How it ended", "options": ["sold", "later, perhaps"]},
    }
    html = client.get(f"/agents/{agent.pk}").content.decode()
    assert_valid_page(html)
    assert "later, perhaps" in html
    assert "Offline" in client.get("/agents").content.decode()
    row = {"name": "qualified", "type": "boolean", "description": "Wants to buy?"}
    client.post(f"/agents/{agent.pk}", agent_form(row, name="Sales", recording_enabled="on"))
    agent.refresh_from_db()
    assert (agent.name, agent.recording_enabled, agent.tools, agent.system_prompt) == ("Sales", True, None, None)
    assert agent.analysis_schema == {"qualified": {"type": "boolean", "description": "Wants to buy?"}}


@pytest.mark.parametrize(
    ("rows", "changes", "text"),
    [
        ([], {"name": ""}, "This field is required"),
        ([], {"tools": "[{"}, "This is not valid JSON"),
        ([], {"tools": '[{"name": "end_call"}]'}, "built-in tool"),
        ([], {"silence_timeout": "9"}, "Enter 10 or more."),
        ([], {"language": "not a language"}, "BCP-47"),
        ([], {"tool_webhook_url": "ftp://example.com"}, "http"),
        ([{"name": "a b", "description": "x"}], {}, "must start with a letter"),
        ([{"name": "a", "description": ""}], {}, "This field is required"),
        ([{"name": "a", "description": "x", "type": "selector"}], {}, "1 to 50 options"),
        ([{"name": "a", "description": "x"}, {"name": "a", "description": "y"}], {}, "The name a is used twice."),
    ],
)
def test_an_invalid_agent_shows_errors_and_changes_nothing(
    client: Client, developer: Developer, rows: list[dict[str, str]], changes: dict[str, str], text: str
) -> None:
    agent = make_agent(developer=developer, name="Before")
    response = client.post(f"/agents/{agent.pk}", agent_form(*rows, **changes))
    assert response.status_code == 200
    assert text in response.content.decode()
    assert_valid_page(response.content.decode())
    agent.refresh_from_db()
    assert agent.name == "Before"


def test_a_preview_shows_the_typed_values_and_saves_nothing(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Before")
    typed = agent_form(
        action="look", system_prompt="You help <{{customer}}> with {{ topic }}.", tools=json.dumps(TOOLS)
    )
    html = client.post(f"/agents/{agent.pk}", {**typed, "variable.topic": "bread & milk"}).content.decode()
    assert '<mark title="customer">{{customer}}</mark>' in html
    assert 'You help &lt;<mark title="customer">' in html
    assert '<mark title="topic">bread &amp; milk</mark>' in html
    assert "Is it free?" in html
    assert "&quot;guests&quot;: 1" in html  # example arguments
    assert Agent.objects.get().name == "Before"
    wrong = client.post(f"/agents/{agent.pk}", {**typed, "tools": '[{"name": "1"}]'}).content.decode()
    assert "0.name: Must start with a letter" in wrong


def test_schema_rows_can_be_added_and_removed(client: Client, developer: Developer) -> None:
    path = f"/agents/{make_agent(developer=developer).pk}"
    row = {"name": "outcome", "description": "How it ended"}
    more = client.post(path, agent_form(row, action="add-field")).content.decode()
    assert more.count("data-row>") == 2
    assert 'value="outcome"' in more
    assert_valid_page(more)
    fewer = client.post(path, agent_form(row, action="remove-field-0")).content.decode()
    assert 'value="outcome"' not in fewer


def test_a_copy_is_not_linked_to_a_number(client: Client, developer: Developer) -> None:
    schema = {"a": {"type": "text", "description": "x"}}
    agent = make_agent(
        developer=developer, name="x" * 98, system_prompt="Be brief.", tools=TOOLS, analysis_schema=schema
    )
    make_phone_number(developer=developer, agent=agent)
    answer = client.post(f"/agents/{agent.pk}/duplicate")
    copy = Agent.objects.exclude(pk=agent.pk).get()
    assert answer["Location"] == f"/agents/{copy.pk}"
    assert (copy.name, copy.system_prompt, copy.tools) == (f"Copy of {'x' * 92}", "Be brief.", TOOLS)
    assert copy.analysis_schema == schema
    assert not copy.phone_numbers.exists()


def test_an_agent_that_answers_a_number_cannot_be_deleted(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer)
    number = make_phone_number(developer=developer, agent=agent)
    html = client.get(f"/agents/{agent.pk}").content.decode()
    assert f'href="/numbers/{number.pk}"' in html
    assert "Delete agent" not in html
    refused = client.post(f"/agents/{agent.pk}/delete", follow=True).content.decode()
    assert f"still linked to {number.e164}" in refused
    number.agent = None
    number.save()
    assert "Agent deleted." in client.post(f"/agents/{agent.pk}/delete", follow=True).content.decode()
    assert not Agent.objects.exists()


def test_agents_of_other_accounts_are_not_found(client: Client) -> None:
    theirs = make_agent(name="Theirs")
    for path in (f"/agents/{theirs.pk}", f"/agents/{theirs.pk}/duplicate", f"/agents/{theirs.pk}/delete"):
        assert client.post(path, agent_form()).status_code == 404
    assert client.get(f"/agents/{theirs.pk}").status_code == 404
    assert "Theirs" not in client.get("/agents").content.decode()
    assert Agent.objects.get().name == "Theirs"


# --- testing a tool ---------------------------------------------------------------------------------------------------
def trial(agent: Agent | None, url: str, arguments: str = '{"date": "2026-12-24"}') -> dict[str, str]:
    return {
        "tool": "0", "trial-0-name": "check", "trial-0-arguments": arguments, "tool_webhook_url": url,
        "trial-agent": str(agent.pk) if agent else "",
    }  # fmt: skip


def test_a_tool_test_sends_the_request_of_a_call(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer)
    make_phone_number(developer=developer)
    number = make_phone_number(developer=developer, agent=agent)
    with RecordingServer([Answer(200, b'{"result": {"free": true}}')]) as server:
        answer = client.post("/agents/try-tool", trial(agent, server.url), headers={"HX-Request": "true"})
    html = answer.content.decode()
    assert "The model receives this result." in html
    assert "HTTP 200" in html
    assert f"signed with the secret of {number.e164}" in html
    assert "<html" not in html
    (request,) = server.requests
    sent = json.loads(request.body)
    assert (sent["event"], sent["tool"], sent["arguments"]) == ("call.tool_call", "check", {"date": "2026-12-24"})
    headers = {name.lower(): value for name, value in request.headers.items()}
    keys = signing_keys(number.signing_secret)
    signed = signature_headers(keys, request.body.decode(), UUID(headers["x-webhook-id"]), int(headers["x-timestamp"]))
    assert headers["x-signature"] == signed["X-Signature"]


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (Answer(204, b""), "The model receives this result.", ""),
        (Answer(200, b"fine"), "The model receives this result.", ""),
        (Answer(500, b"Traceback"), "The model receives an error: This could not be completed.", "HTTP 500"),
        (Answer(302, b"", {"Location": "/"}), "The model receives an error: This could not be completed.", "redirect"),
        (
            Answer(200, b"x" * 16_001),
            "The model receives an error: The answer is too long to be used.",
            "16000 characters",
        ),
        (Answer(None), "The model receives an error: The service behind this is not responding right now.", ""),
    ],
)
def test_a_tool_test_shows_what_the_model_would_receive(
    client: Client, answer: Answer, result: str, reason: str
) -> None:
    with RecordingServer([answer]) as server:
        response = client.post("/agents/try-tool", trial(None, server.url))
        assert response["Location"] == "/agents/try-tool"
        html = client.get("/agents/try-tool").content.decode()
        assert client.get("/agents/try-tool")["Location"] == "/agents"
        assert_valid_page(html)  # without JavaScript it is a full page
        assert result in html
        assert reason in html
        assert "not signed" in html
    assert len(server.requests) == 1


def test_a_tool_s_response_is_escaped_on_the_page(client: Client) -> None:
    with RecordingServer([Answer(200, b'{"result": "<script>alert(1)</script>"}')]) as server:
        html = client.post("/agents/try-tool", trial(None, server.url), follow=True).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_tool_test_requires_valid_arguments(client: Client) -> None:
    with RecordingServer([]) as server:
        for arguments, text in (("[]", "must be a JSON object"), ("{", "cannot be sent")):
            response = client.post("/agents/try-tool", trial(None, server.url, arguments), follow=True)
            assert text in response.content.decode()
    assert server.requests == []


def test_a_tool_test_never_reaches_a_private_network(client: Client, settings: Any) -> None:
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    with RecordingServer([]) as server:
        response = client.post("/agents/try-tool", trial(None, server.url), follow=True)
        assert "Tool webhook URL:" in response.content.decode()
    assert server.requests == []


@pytest.mark.usefixtures("without_keys")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model_slug": "gpt-realtime-1.5"}, "This server has no OpenAI key. Add your own OpenAI model key."),
        ({"model_slug": "gemini-3.1-flash-live"}, "This server has no Google key."),
        (
            {"model_slug": "gpt-realtime-mini", "model_key_id": "google"},
            "This key is for Google, but gpt-realtime-mini",
        ),
        ({"model_slug": "local-offline", "voice": "Kore"}, "has no voice Kore. Its voices: Joe."),
        ({"voice": "Bananarama"}, "No model has a voice Bananarama."),
    ],
)
def test_the_form_refuses_a_model_that_no_call_can_use(
    client: Client, developer: Developer, changes: dict[str, str], text: str
) -> None:
    key = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    if "model_key_id" in changes:
        changes = {**changes, "model_key_id": str(key.pk)}
    agent = make_agent(developer=developer, name="Before")
    response = client.post(f"/agents/{agent.pk}", agent_form({}, **changes))
    assert response.status_code == 200
    assert text in response.content.decode()
    assert list(Agent.objects.values_list("name", "model_slug", "voice")) == [("Before", None, None)]


def test_saving_another_field_keeps_a_model_that_was_disabled_since(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Before", model_slug="gpt-realtime-mini")
    AIModel.objects.filter(slug="gpt-realtime-mini").update(is_enabled=False)
    html = client.get(f"/agents/{agent.pk}").content.decode()
    assert '<option value="gpt-realtime-mini" selected>' in html
    client.post(f"/agents/{agent.pk}", agent_form(name="After", model_slug="gpt-realtime-mini"))
    agent.refresh_from_db()
    assert (agent.name, agent.model_slug) == ("After", "gpt-realtime-mini")


def test_a_tool_with_a_url_is_tested_and_shown_as_curl(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, default_variables={"city": "Rome"})
    number = make_phone_number(developer=developer, agent=agent)
    create_secret(developer=developer, name="KEY", value="s3cret-value")
    with RecordingServer([Answer(200, b'{"data": {"free": true, "key": "s3cret-value"}}')]) as server:
        definition = {
            "name": "check",
            "parameters": {"date": "string"},
            "url": f"{server.url}/rooms/{{date}}?city={{{{city}}}}&key={{{{secret.KEY}}}}",
            "method": "PUT",
            "headers": {"Authorization": "Bearer {{secret.KEY}}"},
            "result_path": "data",
        }
        form = {**trial(agent, ""), "tools": json.dumps([{"name": "other"}, definition])}
        html = unescape(client.post("/agents/try-tool", form, headers={"HX-Request": "true"}).content.decode())
        assert "The model receives this result." in html
        (request,) = server.requests
        assert request.path == "/rooms/2026-12-24?city=Rome&key=s3cret-value"
        assert request.headers["Authorization"] == "Bearer s3cret-value"
        assert "The model receives this result." in html
        assert f"signed with the secret of {number.e164}" in html
        assert f"curl -X PUT '{server.url}/rooms/2026-12-24?city=Rome&key=•••'" in html
        assert "-H 'Authorization: Bearer •••'" in html
        assert """-d '{"date":"2026-12-24"}'""" in html
        assert "s3cret-value" not in html
        for wrong, text in (
            ({"method": "HEAD"}, "method: Must be"),
            ({"headers": {"X": "{{secret.NO}}"}}, "no secret NO"),
        ):
            form["tools"] = json.dumps([{**definition, **wrong}])
            answer = client.post("/agents/try-tool", form, headers={"HX-Request": "true"})
            assert text in unescape(answer.content.decode())
        assert len(server.requests) == 1
