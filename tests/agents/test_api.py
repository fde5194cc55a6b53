"""The /agents API as clients see it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agents.models import Agent, AgentVersion
from agents.versions import VERSIONED
from tests.agents.conftest import refusal
from tests.factories import make_agent, make_phone_number

pytestmark = pytest.mark.django_db

PREVIEW = "gemini-3.1-flash-live-preview"
MOMENT = datetime(2026, 4, 5, 12, 0, 0, 123456, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "qualified_lead": {"type": "boolean", "description": "Did the caller express clear interest in purchasing?"},
    "budget": {"type": "number", "description": "What budget did the caller mention?"},
    "disposition": {"type": "selector", "description": "How it ended", "options": ["interested", "wrong_number"]},
    "summary": {"type": "text", "description": "Brief 1-2 sentence summary of the call"},
}


def test_the_documented_agent(api):
    body = {
        "name": "Support Agent v1",
        "description": "Handles customer support calls",
        "model_slug": PREVIEW,
        "system_prompt": "You are a helpful customer support agent...",
        "voice": "Kore",
        "language": "en-US",
        "transfer_number": "+14155550100",
        "recording_enabled": True,
    }
    pk = api("POST", "agents", body, 201)["data"]["id"]
    Agent.objects.update(created_at=MOMENT, updated_at=MOMENT)
    make_phone_number(developer=api.developer, agent_id=pk)
    make_phone_number(developer=api.developer, agent_id=pk, status="released")
    expected = {
        "id": pk,
        "developer_id": api.developer.pk,
        **body,
        "model_key_id": None,
        "greeting_message": None,
        "tools": None,
        "default_variables": None,
        "tool_webhook_url": None,
        "lookup_url": None,
        "auto_transfer_tool": None,
        "hang_up_tool": None,
        "keypad_tool": None,
        "opt_out_tool": None,
        "transcription_enabled": None,
        "realtime_transcript": None,
        "voicemail_action": None,
        "screening_message": None,
        "fallback_number": None,
        "max_call_duration": None,
        "silence_timeout": None,
        "silence_prompt": None,
        "first_speaker": None,
        "interruptible": None,
        "interruption_sensitivity": None,
        "fallback_model": None,
        "reasoning_effort": None,
        "noise_reduction": None,
        "max_cost_per_call": None,
        "daily_cap": None,
        "analysis_schema": None,
        "version": 1,
        "phone_numbers_count": 1,
        "created_at": "2026-04-05T12:00:00Z",
        "updated_at": "2026-04-05T12:00:00Z",
    }
    assert api("GET", f"agents/{pk}") == {"data": expected}
    assert api("GET", "agents")["data"] == [expected]


def test_patch_changes_the_named_fields_and_null_clears(api):
    pk = api("POST", "agents", {"name": "A", "voice": "Kore", "system_prompt": "P", "description": "D"}, 201)["data"][
        "id"
    ]
    changed = api("PATCH", f"agents/{pk}", {"system_prompt": "Q", "voice": None, "description": ""})["data"]
    assert (changed["name"], changed["system_prompt"], changed["voice"], changed["description"]) == (
        "A",
        "Q",
        None,
        None,
    )
    assert api("PATCH", f"agents/{pk}", {})["data"]["system_prompt"] == "Q"


def test_every_setting_is_stored_as_given(api):
    body = {
        "name": "Full",
        "tools": [{"name": "book", "description": "Book", "parameters": {"date": "string"}}],
        "tool_webhook_url": "https://example.com/tools",
        "greeting_message": "Say hello.",
        "auto_transfer_tool": False,
        "hang_up_tool": False,
        "keypad_tool": False,
        "opt_out_tool": True,
        "transcription_enabled": True,
        "recording_enabled": True,
        "realtime_transcript": True,
        "voicemail_action": "ai_message",
        "max_call_duration": 60,
        "silence_timeout": 120,
        "analysis_schema": SCHEMA,
        "model_slug": "gemini-3.1-flash-live",
    }
    created = api("POST", "agents", body, 201)["data"]
    assert {name: created[name] for name in body} == body
    assert api("PATCH", f"agents/{created['id']}", {"analysis_schema": {}})["data"]["analysis_schema"] is None


AT_MOST = "Ensure this value is less than or equal to {}."
AT_LEAST = "Ensure this value is greater than or equal to {}."


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"nmae": "B"}, {"nmae": ["Unknown field."]}),
        ({"model": PREVIEW}, {"model": ["Unknown field."]}),
        ({"model_slug": "gpt-5"}, {"model_slug": ["This model does not exist. See GET /models."]}),
        ({"system_prompt": "a" * 10_001}, {"system_prompt": ["Ensure this field has no more than 10000 characters."]}),
        ({"system_prompt": 5}, {"system_prompt": ["Not a valid string."]}),
        ({"voice": "a" * 81}, {"voice": ["Ensure this field has no more than 80 characters."]}),
        ({"language": "english!"}, {"language": ["Must be a BCP-47 language code, like en-US."]}),
        ({"transfer_number": "555"}, {"transfer_number": ["Must be a phone number in E.164, like +14155550100."]}),
        ({"max_call_duration": 59}, {"max_call_duration": [AT_LEAST.format(60)]}),
        ({"max_call_duration": 3601}, {"max_call_duration": [AT_MOST.format(3600)]}),
        ({"silence_timeout": 9}, {"silence_timeout": [AT_LEAST.format(10)]}),
        ({"silence_timeout": 121}, {"silence_timeout": [AT_MOST.format(120)]}),
        ({"voicemail_action": "beep"}, {"voicemail_action": ['"beep" is not a valid choice.']}),
        ({"recording_enabled": "perhaps"}, {"recording_enabled": ["Must be a valid boolean."]}),
        ({"model_key_id": 2**63}, {"model_key_id": [AT_MOST.format(2**63 - 1)]}),
        ({"tools": [{"name": "1"}]}, {"tools.0.name": None}),
        ({"tools": {}}, {"tools": ["Must be a list of function definitions."]}),
        ({"analysis_schema": {"a": {"type": "date", "description": "D"}}}, {"analysis_schema.a.type": None}),
        ({"analysis_schema": []}, {"analysis_schema": None}),
    ],
)
def test_invalid_values_are_refused_and_change_nothing(api, change, errors):
    pk = api("POST", "agents", {"name": "A", "system_prompt": "P"}, 201)["data"]["id"]
    before = Agent.objects.filter(pk=pk).values().get()
    answer = api("PATCH", f"agents/{pk}", {"voice": "Kore", **change}, 422)
    assert answer["message"] == "The given data was invalid."
    assert answer["errors"].keys() == errors.keys()
    for name, texts in errors.items():
        assert texts is None or answer["errors"][name] == texts
    assert Agent.objects.filter(pk=pk).values().get() == before


def test_a_model_key_must_match_the_model_s_provider(api):
    key = api("POST", "model-keys", {"provider": "google", "api_key": "AIza1234567890"}, 201)["data"]["id"]
    body = {"name": "A", "model_slug": "gpt-realtime-mini", "model_key_id": key}
    assert api("POST", "agents", body, 422) == refusal(
        model_key_id=["This key is for Google, but gpt-realtime-mini is a model from OpenAI."]
    )
    assert not Agent.objects.exists()
    pk = api("POST", "agents", {**body, "model_slug": PREVIEW}, 201)["data"]["id"]
    assert api("PATCH", f"agents/{pk}", {"model_slug": "gpt-realtime-mini"}, 422)["errors"].keys() == {"model_key_id"}


def test_an_agent_in_use_cannot_be_deleted(api):
    pk = api("POST", "agents", {"name": "A"}, 201)["data"]["id"]
    number = make_phone_number(developer=api.developer, agent_id=pk, e164="+14155550188")
    text = "This agent is still linked to +14155550188. Unlink it there first."
    assert api("DELETE", f"agents/{pk}", status=422) == {"message": text, "errors": {"agent": [text]}}
    number.status = "released"
    number.save()
    api("DELETE", f"agents/{pk}", status=204)
    number.refresh_from_db()
    assert number.agent is None


def test_an_agent_cannot_lose_settings_that_a_linked_number_needs(api):
    pk = api("POST", "agents", {"name": "A", "system_prompt": "P", "model_slug": PREVIEW}, 201)["data"]["id"]
    number = make_phone_number(developer=api.developer, agent_id=pk, e164="+14155550199", mode="streaming")
    assert api("PATCH", f"agents/{pk}", {"system_prompt": None}, 422) == refusal(
        system_prompt=[
            "+14155550199 is linked to this agent. "
            "A system prompt is required in streaming mode, here or on the linked agent."
        ]
    )
    assert Agent.objects.get().system_prompt == "P"
    number.system_prompt = "Its own."
    number.save()
    assert api("PATCH", f"agents/{pk}", {"system_prompt": None})["data"]["system_prompt"] is None


# --- analysis schemas -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("schema", "errors"),
    [
        (
            {f"f{number}": SCHEMA["summary"] for number in range(51)},
            {"analysis_schema": ["Must have at most 50 fields."]},
        ),
        (
            {"a b": SCHEMA["summary"]},
            {
                "analysis_schema.a b": [
                    "A name must start with a letter or underscore and contain only letters, digits, and underscores."
                ]
            },
        ),
        ({"a": "text"}, {"analysis_schema.a": ['Must be like {"type": "text", "description": …}.']}),
        (
            {"a": {"type": "text"}},
            {"analysis_schema.a.description": ["A description of 1 to 1000 characters is required."]},
        ),
        (
            {"a": {"type": "text", "description": "D", "options": ["x"]}},
            {"analysis_schema.a.options": ["Only selectors have options."]},
        ),
        (
            {"a": {"type": "selector", "description": "D"}},
            {"analysis_schema.a.options": ["A selector must have a list of 1 to 50 options."]},
        ),
        (
            {"a": {"type": "selector", "description": "D", "options": ["x", ""]}},
            {"analysis_schema.a.options": ["Each option must be a string of 1 to 200 characters."]},
        ),
        (
            {"a": {"type": "selector", "description": "D", "options": ["x", "x"]}},
            {"analysis_schema.a.options": ["Options must be unique."]},
        ),
        (
            {"a": {"type": "text", "description": "D", "optional": True}},
            {"analysis_schema.a.optional": ["Unknown field."]},
        ),
        (
            {"a": {"type": ["text"], "description": "D"}},
            {"analysis_schema.a.type": ["Must be one of text, boolean, number, selector."]},
        ),
    ],
)
def test_invalid_analysis_schemas_are_refused(api, schema, errors):
    assert api("POST", "agents", {"name": "A", "analysis_schema": schema}, 422) == refusal(**errors)
    assert not Agent.objects.exists()


def test_versions_can_be_listed_and_read(api):
    pk = api("POST", "agents", {"name": "Baker", "system_prompt": "Sell bread."}, 201)["data"]["id"]
    api("PATCH", f"agents/{pk}", {"system_prompt": "Sell cake.", "max_cost_per_call": "0.5"})
    AgentVersion.objects.update(published_at=MOMENT)
    live = {
        "version": 2,
        "is_live": True,
        "published_at": "2026-04-05T12:00:00Z",
        "published_by": "API key Test",
        "restored_from": None,
    }
    first = {**live, "version": 1, "is_live": False}
    listed = api("GET", f"agents/{pk}/versions")["data"]
    after, before = (version.pop("settings") for version in listed)
    assert listed == [live, first]
    assert (before["name"], before["system_prompt"], before["max_cost_per_call"]) == ("Baker", "Sell bread.", None)
    assert (after["system_prompt"], after["max_cost_per_call"]) == ("Sell cake.", "0.5")
    assert list(after) == list(VERSIONED)
    assert len(api("GET", f"agents/{pk}/versions?per_page=1")["data"]) == 1


def test_versions_of_other_accounts_are_not_found(api):
    foreign = make_agent(name="Stranger").pk
    for pk in (foreign, 999_999):
        assert api("GET", f"agents/{pk}/versions", status=404) == {"message": "Not found."}
