"""Tool parameters that use JSON Schema beyond simple types."""

import json
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from agents.models import Agent
from agents.tools.definitions import tool_problems, widen
from tests.factories import bearer, make_agent, make_developer, make_phone_number

EITHER = {"anyOf": [{"required": ["email"]}, {"required": ["phone"]}]}
CONTACT = {"type": "object", "properties": {"email": {"type": "string"}, "phone": {"type": "string"}}, **EITHER}


def tool(**parameters: Any) -> dict[str, Any]:
    return {"name": "t", "parameters": {"type": "object", **parameters}}


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"contact": CONTACT}},
        {"properties": {"contact": {"type": "array", "items": CONTACT}}},
        {"properties": {"when": {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "who": {"allOf": [CONTACT]}}},
        {"properties": {"size": {"enum": ["s", "m"]}, "color": {"anyOf": [{"enum": ["red"]}, {"type": "null"}]}}},
        {"properties": {"contact": {"$ref": "#/$defs/contact"}}, "$defs": {"contact": CONTACT}},
    ],
)
def test_accepted(parameters: dict[str, Any]) -> None:
    assert tool_problems([tool(**parameters)]) == {}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf", "enum", "not"])
def test_refused_at_the_top_level_with_the_reason(keyword: str) -> None:
    found = tool_problems([tool(properties={"email": {"type": "string"}}, **{keyword: [{"required": ["email"]}]})])
    text = f"Models reject {keyword} at the top level of parameters. Use it inside a property."
    assert text in found[f"0.parameters.{keyword}"]


def test_references_are_expanded_for_the_model() -> None:
    definition = tool(
        properties={"to": {"$ref": "#/$defs/list", "description": "Whom"}},
        **{"$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/contact"}}, "contact": CONTACT}},
    )
    assert tool_problems([definition]) == {}
    assert widen(definition).parameters == {
        "type": "object",
        "properties": {"to": {"type": "array", "items": CONTACT, "description": "Whom"}},
    }


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
            "refers to itself",
        ),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {}}, "no definition for"),
        ({"properties": {"a": {"$ref": "https://example.com/a"}}}, "no definition for"),
        ({"properties": {}, "$defs": []}, "must be an object"),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/d0"}},
                "$defs": {
                    **{f"d{number}": {"anyOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 10} for number in range(8)},
                    "d8": {"type": "string"},
                },
            },
            "too large",
        ),
    ],
)
def test_references_that_cannot_be_expanded(parameters: dict[str, Any], reason: str) -> None:
    (texts,) = tool_problems([tool(**parameters)]).values()
    assert reason in texts[0]


# --- invalid JSON Schema -----------------------------------------------------------------------------------------------
NOT_VALID: list[tuple[dict[str, Any], str]] = [
    ({"minLength": "5"}, "minLength"),
    ({"maxLength": -1}, "maxLength"),
    ({"minItems": 1.5}, "minItems"),
    ({"maxProperties": True}, "maxProperties"),
    ({"minimum": "5"}, "minimum"),
    ({"exclusiveMaximum": True}, "exclusiveMaximum"),
    ({"multipleOf": 0}, "multipleOf"),
    ({"pattern": 5}, "pattern"),
    ({"format": ["date"]}, "format"),
    ({"title": {}}, "title"),
    ({"uniqueItems": "yes"}, "uniqueItems"),
    ({"examples": "a"}, "examples"),
    ({"enum": "a"}, "enum"),
    ({"type": []}, "type"),
    ({"type": ["string", "string"]}, "type"),
    ({"type": {"a": 1}}, "type"),
    ({"type": "text"}, "type"),
    ({"type": "object", "required": "email"}, "required"),
    ({"type": "object", "required": ["a", "a"]}, "required"),
    ({"type": "object", "properties": []}, "properties"),
    ({"type": "object", "properties": {"b": 5}}, "properties.b"),
    ({"type": "object", "patternProperties": {"^a": "string"}}, "patternProperties.^a"),
    ({"type": "object", "dependentRequired": {"a": "b"}}, "dependentRequired"),
    ({"type": "object", "additionalProperties": "no"}, "additionalProperties"),
    ({"type": "object", "propertyNames": {"minLength": None}}, "propertyNames.minLength"),
    ({"type": "array", "items": "string"}, "items"),
    ({"type": "array", "prefixItems": []}, "prefixItems"),
    ({"anyOf": []}, "anyOf"),
    ({"oneOf": {}}, "oneOf"),
    ({"not": {"minimum": []}}, "not.minimum"),
    ({"if": 1}, "if"),
    ({"anyOf": [{"then": {"else": {"minLength": {}}}}]}, "anyOf.0.then.else.minLength"),
]
VALID: list[dict[str, Any]] = [
    {"minLength": 0, "maxLength": 5.0, "pattern": "^\\p{L}+$", "format": "date", "title": "A", "examples": []},
    {"type": ["number", "null"], "minimum": -1.5, "exclusiveMaximum": 10, "multipleOf": 0.5, "deprecated": False},
    {
        "type": "object",
        "properties": {"b": {}},
        "required": ["b"],
        "additionalProperties": False,
        "dependentRequired": {"b": []},
    },
    {
        "type": "array",
        "prefixItems": [{"type": "string"}],
        "items": {"not": {"const": 1}},
        "contains": True,
        "uniqueItems": True,
    },
    {"if": {"type": "string"}, "then": {"minLength": 1}, "else": True, "x-own": {"minimum": "as you like"}},
]


@pytest.mark.parametrize(("schema", "place"), NOT_VALID, ids=lambda value: str(value)[:40])
def test_invalid_json_schema_is_refused_with_its_location(schema: dict[str, Any], place: str) -> None:
    """In the long form, the short form and a referenced definition. The published metaschema agrees."""
    assert not Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema)
    assert list(tool_problems([tool(properties={"a": schema})])) == [f"0.parameters.properties.a.{place}"]
    assert list(tool_problems([{"name": "t", "parameters": {"a": schema}}])) == [f"0.parameters.a.{place}"]
    referred = tool(properties={"a": {"$ref": "#/$defs/d"}}, **{"$defs": {"d": schema}})
    assert list(tool_problems([referred])) == [f"0.parameters.properties.a.{place}"]


@pytest.mark.parametrize("schema", VALID, ids=lambda value: str(value)[:40])
def test_valid_json_schema_is_accepted(schema: dict[str, Any]) -> None:
    assert Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema)
    assert tool_problems([tool(properties={"a": schema})]) == {}


@pytest.mark.parametrize("keyword", ["not", "items", "additionalProperties", "if", "properties", "anyOf"])
def test_nesting_depth_is_limited_for_every_keyword(keyword: str) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(20):
        schema = {keyword: {"b": schema} if keyword == "properties" else [schema] if keyword == "anyOf" else schema}
    ((path, texts),) = tool_problems([tool(properties={"a": schema})]).items()
    assert texts == ["Must be nested at most 8 levels deep."]
    assert path.startswith("0.parameters.properties.a.")


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_redis")
def test_each_route_reports_the_location(client: Client) -> None:
    """Creating and changing agents, numbers, and the page. Nothing is saved."""
    developer = make_developer()
    agent, number = make_agent(developer=developer), make_phone_number(developer=developer)
    headers = bearer(developer)
    broken = [tool(properties={"size": {"minimum": "5"}})]
    analysis = {"budget": {"type": "number", "description": "B"}, "mood": {"type": "text", "description": 5}}
    doors = [
        ("POST", "/agents", {"name": "A", "system_prompt": "P"}),
        ("PATCH", f"/agents/{agent.pk}", {}),
        ("PATCH", f"/phone-numbers/{number.pk}", {}),
    ]
    for method, path, body in doors:
        sent = {**body, "tools": broken, **({"analysis_schema": analysis} if path.startswith("/agents") else {})}
        answer = client.generic(method, f"/api/v1{path}", json.dumps(sent), headers=headers)
        expected = {"tools.0.parameters.properties.size.minimum": ["Must be a number."]}
        if "analysis_schema" in sent:
            expected["analysis_schema.mood.description"] = ["A description of 1 to 1000 characters is required."]
        assert (answer.status_code, answer.json()["errors"]) == (422, expected)
    agent.refresh_from_db()
    number.refresh_from_db()
    assert (agent.tools, number.tools, Agent.objects.count()) == (None, None, 1)
