"""JSON that developers write, on every page and API route that takes or shows it: errors are reported, and the order of keys is kept."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents.models import Agent
from tests.agents.test_tool_schemas import tool
from tests.factories import bearer, make_agent, make_developer, make_phone_number
from tests.pages.signed_in import signed_in_client
from tests.pages.test_agents import agent_form

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
SCHEMA = {name: {"type": "text", "description": f"About {name}"} for name in ("zulu", "b", "alpha", "m")}
ROWS = [{"name": name, **field} for name, field in SCHEMA.items()]
TOOLS = [tool(properties={"zz": {"type": "string"}, "b": {"type": "string"}, "aa": {"type": "string"}})]
ANOTHER_ORDER = [tool(properties={"aa": {"type": "string"}, "zz": {"type": "string"}, "b": {"type": "string"}})]
NOT_VALID = [
    ({"size": {"minimum": "5"}}, "minimum: Must be a number."),
    ({"size": {"type": "text"}}, "type: "),
    ({"size": {"items": 5}}, "items: "),
    ({"size": {"enum": "s"}}, "enum: "),
    ({"size": {"required": "s"}}, "required: "),
]


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


@pytest.mark.parametrize(("properties", "text"), NOT_VALID, ids=[text for _, text in NOT_VALID])
def test_pages_show_where_a_schema_is_invalid_and_save_nothing(
    client: Client, developer: Developer, properties: dict[str, Any], text: str
) -> None:
    agent, number = make_agent(developer=developer), make_phone_number(developer=developer)
    form = agent_form(tools=json.dumps([tool(properties=properties)]), tool_webhook_url="https://example.com/tools")
    for path in (f"/agents/{agent.pk}", f"/numbers/{number.pk}"):
        answer = client.post(path, form)
        assert (answer.status_code, path) == (200, path)
        assert f"0.parameters.properties.size.{text}" in answer.content.decode(), path
    agent.refresh_from_db()
    number.refresh_from_db()
    assert (agent.tools, number.tools, Agent.objects.count()) == (None, None, 1)


def shown_names(client: Client, agent: Agent) -> list[str]:
    html = client.get(f"/agents/{agent.pk}").content.decode()
    return re.findall(r'name="analysis-\d+-name"[^>]* value="(\w+)"', html) or re.findall(
        r'value="(\w+)"[^>]* name="analysis-\d+-name"', html
    )


def test_the_page_and_a_copy_keep_the_order_of_keys(client: Client, developer: Developer) -> None:
    made = make_agent(developer=developer)
    client.post(
        f"/agents/{made.pk}", agent_form(*ROWS, tools=json.dumps(TOOLS), tool_webhook_url="https://example.com/t")
    )
    agent = Agent.objects.get()
    client.post(f"/agents/{agent.pk}/duplicate")
    copy = Agent.objects.exclude(pk=agent.pk).get()
    for row in (agent, copy):
        assert list(row.analysis_schema) == list(SCHEMA)
        assert json.dumps(row.tools) == json.dumps(TOOLS)
        assert shown_names(client, row) == list(SCHEMA)


def test_a_different_order_of_keys_is_a_change(client: Client, developer: Developer) -> None:
    agent = make_agent(developer=developer, analysis_schema=SCHEMA, tools=TOOLS)
    number = make_phone_number(developer=developer, tools=TOOLS)
    tools = json.dumps(ANOTHER_ORDER)
    form = agent_form(*reversed(ROWS), tools=tools, tool_webhook_url="https://example.com/t")
    for path in (f"/agents/{agent.pk}", f"/numbers/{number.pk}"):
        assert client.post(path, {**form, "mode": "webhook", "webhook_url": "https://example.com"}).status_code == 302
    agent.refresh_from_db()
    number.refresh_from_db()
    assert list(agent.analysis_schema) == [*reversed(SCHEMA)]
    assert (json.dumps(agent.tools), json.dumps(number.tools)) == (tools, tools)
    headers = bearer(developer)
    for path, row in ((f"agents/{agent.pk}", agent), (f"phone-numbers/{number.pk}", number)):
        Client().patch(f"/api/v1/{path}", {"tools": TOOLS}, content_type="application/json", headers=headers)
        row.refresh_from_db()
        assert json.dumps(row.tools) == json.dumps(TOOLS)


def test_a_repeated_request_gets_the_order_of_the_first_response(developer: Developer) -> None:
    headers = {**bearer(developer), "Idempotency-Key": "one"}
    body = {"name": "A", "system_prompt": "P", "analysis_schema": SCHEMA}
    first, again = (
        Client().post("/api/v1/agents", body, content_type="application/json", headers=headers) for _ in range(2)
    )
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert list(again.json()["data"]["analysis_schema"]) == list(SCHEMA)
