"""PATCH /phone-numbers/{id}: shapes, rules between fields, and that a refused change changes nothing."""

import json
from typing import Any

import pytest

from agents.models import AIModel
from agents.services import create_model_key
from phone_numbers.models import PhoneNumber
from tests.factories import bearer, make_agent, make_developer, make_phone_number

pytestmark = pytest.mark.django_db

PREVIEW = "gemini-3.1-flash-live-preview"
TOOL = {"name": "check_availability", "description": "Check calendar", "parameters": {"date": "string"}}
QUICK_START = {
    "mode": "streaming",
    "model": PREVIEW,
    "system_prompt": "You are a friendly AI assistant.",
    "voice": "Kore",
    "language": "en-US",
}
NEEDS_PROMPT = {"system_prompt": ["A system prompt is required in streaming mode, here or on the linked agent."]}
NEEDS_URL = {"tool_webhook_url": ["A tool webhook URL is required when tools are set."]}
NEEDS_RECORDING = {"transcription_enabled": ["Transcription requires recording_enabled to be true."]}


@pytest.fixture
def patch(client):
    """Sends a PATCH for a number as its developer: `patch(number, body, status)` returns the response."""

    def send(number: PhoneNumber, body: dict[str, Any], status: int = 200) -> Any:
        headers = bearer(number.developer)
        path = f"/api/v1/phone-numbers/{number.pk}"
        response = client.generic("PATCH", path, json.dumps(body).encode(), headers=headers)
        assert response.status_code == status, response.content
        return response.json()

    return send


def stored(number: PhoneNumber) -> dict[str, Any]:
    return PhoneNumber.objects.filter(pk=number.pk).values().get()


def test_the_quick_start(patch):
    number = make_phone_number()
    answer = patch(number, QUICK_START)["data"]
    assert {name: answer[name] for name in QUICK_START} == QUICK_START
    assert answer["id"] == number.pk
    row = stored(number)
    assert (row["mode"], row["model_slug"], row["voice"]) == ("streaming", PREVIEW, "Kore")


def test_all_fields_can_be_set_and_cleared(patch):
    number = make_phone_number()
    agent = make_agent(developer=number.developer)
    key = create_model_key(developer=number.developer, provider="google", api_key="AIza1234567890")
    body = {
        **QUICK_START,
        "webhook_url": "https://example.com/events",
        "label": "Support",
        "model": "gemini-3.1-flash-live",
        "model_key_id": key.pk,
        "tools": [TOOL],
        "tool_webhook_url": "https://example.com/tools",
        "max_call_duration": 600,
        "silence_timeout": 20,
        "agent_id": agent.pk,
        "transfer_number": "+12025559999",
        "auto_transfer_tool": False,
        "opt_out_tool": True,
        "voicemail_action": "ai_message",
        "realtime_transcript": True,
        "recording_enabled": True,
        "transcription_enabled": True,
        "greeting_message": "Say hello.",
    }
    answer = patch(number, body)["data"]
    assert {name: answer[name] for name in body} == body
    patch(number, {"mode": "webhook", **{name: None for name in body if name != "mode"}})
    cleared = stored(number)
    assert (cleared["label"], cleared["webhook_url"]) == ("", "")
    columns = body.keys() - {"mode", "label", "webhook_url", "model"} | {"model_slug"}
    assert {name: cleared[name] for name in columns} == dict.fromkeys(columns)


def test_a_patch_changes_only_the_given_fields(patch):
    number = make_phone_number(system_prompt="P", voice="Kore")
    before = stored(number)
    patch(number, {"label": "Front desk"})
    assert stored(number) == {**before, "label": "Front desk"}
    patch(number, {})
    assert stored(number) == {**before, "label": "Front desk"}


# The number's fields, the change, and the errors ({} if it is accepted).
RULES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {"mode": "streaming", "model": PREVIEW}, NEEDS_PROMPT),
    ({"system_prompt": "P"}, {"mode": "streaming", "model": PREVIEW}, {}),
    ({"mode": "streaming", "model_slug": PREVIEW, "system_prompt": "P"}, {"system_prompt": None}, NEEDS_PROMPT),
    ({"mode": "streaming", "model_slug": PREVIEW, "system_prompt": "P"}, {"system_prompt": "  "}, NEEDS_PROMPT),
    (
        {"mode": "streaming", "model_slug": PREVIEW, "system_prompt": "P"},
        {"system_prompt": None, "mode": "webhook"},
        {},
    ),
    ({}, {"tools": [TOOL]}, NEEDS_URL),
    ({}, {"tools": []}, {}),
    ({}, {"tools": [TOOL], "tool_webhook_url": "https://example.com/t"}, {}),
    ({"tools": [TOOL], "tool_webhook_url": "https://example.com/t"}, {"tool_webhook_url": None}, NEEDS_URL),
    ({"tools": [TOOL], "tool_webhook_url": "https://example.com/t"}, {"tool_webhook_url": None, "tools": None}, {}),
    ({}, {"transcription_enabled": True}, NEEDS_RECORDING),
    ({}, {"transcription_enabled": True, "recording_enabled": False}, NEEDS_RECORDING),
    ({"recording_enabled": True}, {"transcription_enabled": True}, {}),
    ({"recording_enabled": True, "transcription_enabled": True}, {"recording_enabled": None}, NEEDS_RECORDING),
    (
        {},
        {"mode": "streaming", "tools": [TOOL], "transcription_enabled": True, "model": PREVIEW},
        {**NEEDS_PROMPT, **NEEDS_URL, **NEEDS_RECORDING},
    ),
    # An existing conflict does not block unrelated changes.
    ({"tools": [TOOL]}, {"label": "New"}, {}),
]


@pytest.mark.parametrize(("before", "body", "errors"), RULES)
def test_rules_between_fields(patch, before, body, errors):
    number = make_phone_number(**before)
    unchanged = stored(number)
    answer = patch(number, {"voice": "Kore", **body}, 422 if errors else 200)
    if errors:
        assert answer == {"message": "The given data was invalid.", "errors": errors}
        assert stored(number) == unchanged
    else:
        assert stored(number)["voice"] == "Kore"


LONG = "Ensure this field has no more than {} characters."


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"colour": "red"}, {"colour": ["Unknown field."]}),
        ({"model_slug": PREVIEW}, {"model_slug": ["Unknown field."]}),
        ({"model": "gpt-5"}, {"model": ["This model does not exist. See GET /models."]}),
        ({"mode": "fax"}, {"mode": ['"fax" is not a valid choice.']}),
        ({"mode": None}, {"mode": ["This field may not be null."]}),
        ({"label": "a" * 101}, {"label": [LONG.format(100)]}),
        ({"max_call_duration": 59}, {"max_call_duration": ["Ensure this value is greater than or equal to 60."]}),
        ({"silence_timeout": 121}, {"silence_timeout": ["Ensure this value is less than or equal to 120."]}),
        ({"webhook_url": "ftp://example.com"}, None),
        ({"tool_webhook_url": "not a url"}, None),
        ({"agent_id": 987654321}, {"agent_id": ["This agent does not exist."]}),
        ({"agent_id": "x"}, {"agent_id": ["A valid integer is required."]}),
        ({"model_key_id": 987654321}, {"model_key_id": ["This model key does not exist."]}),
        ({"tools": [{"name": "end_call"}]}, {"tools.0.name": ["end_call is the name of a built-in tool."]}),
    ],
)
def test_invalid_values_are_refused(patch, body, errors):
    number = make_phone_number()
    unchanged = stored(number)
    answer = patch(number, {"voice": "Kore", **body}, 422)
    assert answer["errors"].keys() == (errors or body).keys()
    assert errors is None or answer["errors"] == errors
    assert stored(number) == unchanged


def test_a_linked_agent_supplies_missing_settings(patch):
    number = make_phone_number()
    agent = make_agent(developer=number.developer, system_prompt="P", model_slug="gpt-realtime-mini")
    answer = patch(number, {"mode": "streaming", "agent_id": agent.pk})["data"]
    assert (answer["agent_id"], answer["mode"]) == (agent.pk, "streaming")
    assert patch(number, {"agent_id": None}, 422)["errors"]["system_prompt"] == NEEDS_PROMPT["system_prompt"]
    assert stored(number)["agent_id"] == agent.pk


def test_objects_of_other_accounts_are_not_found(client, patch):
    number = make_phone_number()
    stranger = make_developer()
    agent = make_agent(developer=stranger)
    key = create_model_key(developer=stranger, provider="google", api_key="AIza1234567890")
    assert patch(number, {"agent_id": agent.pk}, 422)["errors"] == {"agent_id": ["This agent does not exist."]}
    assert patch(number, {"model_key_id": key.pk}, 422)["errors"] == {
        "model_key_id": ["This model key does not exist."]
    }
    path = f"/api/v1/phone-numbers/{number.pk}"
    response = client.generic("PATCH", path, b'{"label": "Mine"}', headers=bearer(stranger))
    assert (response.status_code, response.json()) == (404, {"message": "Not found."})
    number.refresh_from_db()
    assert number.label == ""


def test_a_released_number_is_not_found(patch):
    number = make_phone_number(status="released")
    assert patch(number, {"label": "x"}, 404) == {"message": "Not found."}


def test_a_model_key_must_match_the_model(patch):
    number = make_phone_number(model_slug="gpt-realtime-mini")
    google = create_model_key(developer=number.developer, provider="google", api_key="AIza1234567890")
    text = "This key is for Google, but gpt-realtime-mini is a model from OpenAI."
    assert patch(number, {"model_key_id": google.pk}, 422)["errors"] == {"model_key_id": [text]}
    patch(number, {"model_key_id": google.pk, "model": PREVIEW})
    assert patch(number, {"model": "gpt-realtime-mini"}, 422)["errors"] == {"model_key_id": [text]}
    assert stored(number)["model_slug"] == PREVIEW


def test_a_disabled_model_cannot_be_selected(patch):
    AIModel.objects.filter(slug="gpt-realtime-mini").update(is_enabled=False)
    number = make_phone_number(system_prompt="P", model_slug="gpt-realtime-mini")
    text = "This model is disabled on this server. "
    assert patch(number, {"model": "gpt-realtime-mini"}, 422)["errors"] == {"model": [f"{text}See GET /models."]}
    assert patch(number, {"mode": "streaming"}, 422)["errors"] == {
        "model": [f"{text}Choose another model from GET /models."]
    }
    assert patch(number, {"label": "Still mine"})["data"]["label"] == "Still mine"
