"""Dynamic variables of calls: built-in, given, default and missing."""

import re
from typing import Any

import pytest
from django.test import Client

from agents.agent_settings.call_config import CallConfig
from agents.tools.definitions import build_toolset
from calls.models import Call
from tests import factories
from tests.calls.rows import make_account, make_streaming_number
from tests.calls.webhook_mode.test_webhook_mode import Line

pytestmark = pytest.mark.django_db
PROMPT = "{{caller_number}} {{agent_number}} {{direction}} {{call_id}} {{timezone}} {{company}} {{name|there}} {{ mood | all good }}."


def sandbox(developer: Any, number: Any, **body: Any) -> Any:
    return Client().post(
        "/api/v1/sandbox/calls",
        {"phone_number_id": number.pk, **body},
        content_type="application/json",
        headers=factories.bearer(developer),
    )


def patch(developer: Any, path: str, **body: Any) -> Any:
    return Client().patch(f"/api/v1{path}", body, content_type="application/json", headers=factories.bearer(developer))


def config_of(call: Call) -> CallConfig:
    return CallConfig.from_json(call.config)


def test_an_inbound_call_fills_in_known_variables() -> None:
    line = Line(
        mode="streaming",
        model_slug="gemini-3.1-flash-live",
        system_prompt=PROMPT + " {{lost}} {{lost}} {{gone}}",
        greeting_message="On {{current_date}} at {{current_time}}, {{current_weekday}}.",
        transfer_number="{{desk|+12025550123}}",
        screening_message="{{nobody}} calls.",  # used in outbound calls only
        default_variables={"company": "Example", "caller_number": "never used"},
    )
    call = line.call
    assert config_of(call).system_prompt == (
        f"+15551230000 {line.number.e164} inbound {call.pk} UTC Example there all good.   "
    )
    assert re.fullmatch(r"On \d{4}-\d\d-\d\d at \d\d:\d\d, [A-Z][a-z]+day\.", config_of(call).greeting_message)
    assert config_of(call).transfer_number == "+12025550123"
    (missing,) = call.events.filter(event_type="variables.missing")
    assert missing.metadata == {"names": ["lost", "gone"]}


def test_defaults_apply_only_if_there_is_no_caller_number() -> None:
    line = Line(
        mode="streaming",
        model_slug="gemini-3.1-flash-live",
        system_prompt="{{caller_number|unknown}}",
        greeting_message="{{caller_number}}",
        default_variables={"caller_number": "someone"},
    )
    assert config_of(line.call).system_prompt == "+15551230000"
    developer = make_account()
    number = make_streaming_number(
        developer, system_prompt="{{caller_number|unknown}}", greeting_message="{{agent_number}}"
    )
    answer = sandbox(developer, number)
    assert answer.status_code == 201, answer.content
    call = Call.objects.get(public_id=answer.json()["data"]["call_id"])
    assert (config_of(call).system_prompt, config_of(call).greeting_message) == ("unknown", number.e164)


def test_a_sandbox_call_accepts_variables_and_is_refused_without_them() -> None:
    developer = make_account()
    number = make_streaming_number(
        developer,
        system_prompt="Hi {{customer}} of {{company}}.",
        default_variables={"company": "Example"},
        screening_message="{{nobody}} calls.",
    )
    refused = sandbox(developer, number)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        {"dynamic_variables": ["Missing variables: customer"]},
    )
    assert not Call.objects.exists()
    given = {"customer": "Jane", "company": "Other", "direction": "sideways"}
    answer = sandbox(
        developer,
        number,
        dynamic_variables=given,
        overrides={"system_prompt": "{{customer}} {{company}} {{direction}}"},
    )
    call = Call.objects.get(public_id=answer.json()["data"]["call_id"])
    assert config_of(call).system_prompt == "Jane Other sideways"
    assert call.dynamic_variables == given


def test_the_agents_defaults_override_the_numbers() -> None:
    developer = make_account()
    agent = factories.make_agent(
        developer=developer, system_prompt="{{company}}", default_variables={"company": "Agent's"}
    )
    number = make_streaming_number(developer, agent=agent, default_variables={"company": "Number's"})
    answer = sandbox(developer, number)
    assert config_of(Call.objects.get(public_id=answer.json()["data"]["call_id"])).system_prompt == "Agent's"


def test_saving_a_prompt_with_a_missing_variable_warns() -> None:
    developer = make_account()
    agent = factories.make_agent(developer=developer, system_prompt="Hi.")
    assert "warnings" not in patch(developer, f"/agents/{agent.pk}", system_prompt="Hi {{customer}}.").json()
    number = make_streaming_number(developer, agent=agent)
    text = (
        f"Inbound calls to {number.e164} have no value for {{{{customer}}}}. Set default_variables, or a default in the text:"
        " {{customer|…}}."
    )
    answer = patch(developer, f"/agents/{agent.pk}", system_prompt="Hi {{customer}} at {{current_time}}.")
    assert (answer.status_code, answer.json()["warnings"]) == (200, [text])
    assert patch(developer, f"/phone-numbers/{number.pk}", label="Desk").json()["warnings"] == [text]
    answer = patch(developer, f"/agents/{agent.pk}", default_variables={"customer": "there"})
    assert ("warnings" in answer.json(), answer.json()["data"]["default_variables"]) == (False, {"customer": "there"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_variables", {"1a": "x"}),
        ("default_variables", {"a": 5}),
        ("default_variables", {"a": "x" * 2001}),
        ("default_variables", {f"a{index}": "" for index in range(51)}),
        ("default_variables", ["a"]),
        ("transfer_number", "{{desk"),
        ("transfer_number", "call me"),
    ],
)
def test_invalid_defaults_cannot_be_saved(field: str, value: Any) -> None:
    developer = make_account()
    agent = factories.make_agent(developer=developer)
    answer = patch(developer, f"/agents/{agent.pk}", **{field: value})
    assert answer.status_code == 422
    assert next(iter(answer.json()["errors"])).startswith(field)
    agent.refresh_from_db()
    assert getattr(agent, field) is None


def test_the_order_of_fields_is_kept() -> None:
    developer = make_account()
    schema = {name: {"type": "text", "description": name} for name in ("zulu", "b", "alpha", "m")}
    tools = [
        {
            "name": "t",
            "parameters": {"type": "object", "properties": {"zz": {"type": "string"}, "a": {"type": "string"}}},
        }
    ]
    agent = factories.make_agent(developer=developer)
    variables = {"zz": "1", "b": "2", "aaa": "3"}
    answer = patch(
        developer,
        f"/agents/{agent.pk}",
        analysis_schema=schema,
        tools=tools,
        tool_webhook_url="https://example.com/tools",
        default_variables=variables,
        system_prompt="Hi.",
    )
    assert answer.status_code == 200, answer.content
    data = Client().get(f"/api/v1/agents/{agent.pk}", headers=factories.bearer(developer)).json()["data"]
    assert list(data["analysis_schema"]) == ["zulu", "b", "alpha", "m"]
    assert list(data["tools"][0]["parameters"]["properties"]) == ["zz", "a"]
    assert list(data["default_variables"]) == ["zz", "b", "aaa"]
    number = make_streaming_number(developer, agent=agent)
    started = sandbox(developer, number)
    config = Call.objects.get(public_id=started.json()["data"]["call_id"]).config
    assert list(config["analysis_schema"]["value"]) == ["zulu", "b", "alpha", "m"]
    assert list(config["tools"]["value"][0]["parameters"]["properties"]) == ["zz", "a"]


@pytest.mark.parametrize(
    ("template", "given", "number_setting", "used", "unusable"),
    [
        ("{{desk}}", {}, None, ("", "number_agent"), "{{desk}}"),
        ("{{desk}}", {}, "+12025550199", ("+12025550199", "number"), "{{desk}}"),
        ("{{desk}}", {"desk": "front desk"}, None, ("", "number_agent"), "front desk"),
        ("{{desk|+12025550123}}", {"desk": "12"}, "+12025550199", ("+12025550123", "number_agent"), "12"),
        ("{{desk}}", {"desk": "12"}, "{{desk|+12025550199}}", ("", "number_agent"), "12"),
        ("+1202555{{desk}}", {"desk": "01"}, "+12025550199", ("+12025550199", "number"), "+120255501"),
        ("{{desk}}", {"desk": "+12025550123"}, "+12025550199", ("+12025550123", "number_agent"), None),
    ],
)
def test_a_transfer_number_whose_variables_do_not_give_a_number(
    template: str, given: dict[str, str], number_setting: str | None, used: tuple[str, str], unusable: str | None
) -> None:
    developer = make_account()
    agent = factories.make_agent(developer=developer, transfer_number=template, default_variables=given)
    call = Line(
        agent=agent,
        mode="streaming",
        model_slug="gemini-3.1-flash-live",
        system_prompt="Hi.",
        transfer_number=number_setting,
    ).call
    assert (call.config["transfer_number"]["value"], call.config["transfer_number"]["source"]) == used
    assert call.config.get("unusable_transfer_number", {}).get("value") == unusable
    assert "transfer_call" in [tool.name for tool in build_toolset(config_of(call), on_telephone=True)]
