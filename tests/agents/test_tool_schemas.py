"""Parameters that use more of JSON Schema than types."""

from typing import Any

import pytest

from agents.tools import tool_problems, widen

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
    text = f"Models refuse {keyword} at the top level of the parameters; use it within a property."
    assert text in found[f"0.parameters.{keyword}"]


def test_references_are_written_out_for_the_model() -> None:
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
                    **{f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 10} for n in range(8)},
                    "d8": {"type": "string"},
                },
            },
            "too large",
        ),
    ],
)
def test_references_that_cannot_be_written_out(parameters: dict[str, Any], reason: str) -> None:
    (texts,) = tool_problems([tool(**parameters)]).values()
    assert reason in texts[0]
