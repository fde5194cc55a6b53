"""Tool definitions: validation, expansion of the short form, and which tools a call has."""

import pytest

from agents.agent_settings.call_config import CallConfig
from agents.providers.base import ToolSpec
from agents.tools.definitions import build_toolset, tool_problems, widen

DAY = {"name": "check_availability", "description": "Check calendar availability", "parameters": {"date": "string"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "guests": {"type": "integer", "minimum": 1},
        "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["guests"],
    "additionalProperties": False,
}


def nested(levels: int) -> dict:
    schema: dict = {"type": "string"}
    for _ in range(levels - 1):
        schema = {"type": "array", "items": schema}
    return schema


def test_the_short_form_is_expanded():
    assert widen(DAY) == ToolSpec(
        name="check_availability",
        description="Check calendar availability",
        parameters={"type": "object", "properties": {"date": {"type": "string"}}, "required": ["date"]},
    )


def test_the_model_does_not_see_the_waiting_phrase():
    tool = {"name": "f", "speak_while_waiting": "One moment."}
    assert tool_problems([tool]) == {}
    assert widen(tool).speak_while_waiting == "One moment."
    assert "One moment." not in str(widen(tool).parameters) + widen(tool).description


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        (SCHEMA, SCHEMA),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        # Parameters named like keywords of JSON Schema.
        ({"type": "string"}, {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}),
        (
            {"day": {"type": "string", "description": "Which one"}, "n": "integer"},
            {
                "type": "object",
                "properties": {"day": {"type": "string", "description": "Which one"}, "n": {"type": "integer"}},
                "required": ["day", "n"],
            },
        ),
    ],
)
def test_parameters_become_json_schema(parameters, schema):
    tool = {"name": "f", "parameters": parameters}
    assert tool_problems([tool]) == {}
    assert widen(tool).parameters == schema


def test_definitions_in_openai_s_format_are_accepted():
    assert tool_problems([{"type": "function", **DAY}]) == {}
    assert widen({"type": "function", **DAY}) == widen(DAY)


NAME_RULE = "Must start with a letter or underscore and contain at most 64 letters, digits, underscores, and hyphens."
TYPE_RULE = "Unknown type. Use one of string, number, integer, boolean, array, object, or a JSON Schema."


@pytest.mark.parametrize(
    ("tools", "problems"),
    [
        ({"name": "f"}, {"": ["Must be a list of function definitions."]}),
        ([{"name": f"f{number}"} for number in range(65)], {"": ["Must have at most 64 tools."]}),
        (["f"], {"0": ['Must be a function definition: {"name": …, "description": …, "parameters": …}.']}),
        ([{}], {"0.name": ["This field is required."]}),
        ([{"name": "2nd"}], {"0.name": [NAME_RULE]}),
        ([{"name": "a" * 65}], {"0.name": [NAME_RULE]}),
        ([{"name": "f\n"}], {"0.name": [NAME_RULE]}),
        ([{"name": 5}], {"0.name": [NAME_RULE]}),
        ([{"name": "f"}, {"name": "f"}], {"1.name": ["The name f is used twice."]}),
        ([{"name": "end_call"}], {"0.name": ["end_call is the name of a built-in tool."]}),
        ([{"name": "transfer_call"}], {"0.name": ["transfer_call is the name of a built-in tool."]}),
        ([{"name": "send_dtmf"}], {"0.name": ["send_dtmf is the name of a built-in tool."]}),
        ([{"name": "f", "params": {}}], {"0.params": ["Unknown field."]}),
        ([{"name": "f", "type": "code"}], {"0.type": ['Must be "function".']}),
        (
            [{"name": "f", "description": "a" * 2001}],
            {"0.description": ["Must be a string of at most 2000 characters."]},
        ),
        (
            [{"name": "f", "speak_while_waiting": "a" * 201}],
            {"0.speak_while_waiting": ["Must be a string of at most 200 characters."]},
        ),
        (
            [{"name": "f", "parameters": ["date"]}],
            {"0.parameters": ['Must be a JSON Schema object or the short form {"date": "string"}.']},
        ),
        ([{"name": "f", "parameters": {"date": "strng"}}], {"0.parameters.date": [TYPE_RULE]}),
        ([{"name": "f", "parameters": {"a b": "string"}}], {"0.parameters.a b": [NAME_RULE]}),
        (
            [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "date"}}}}],
            {"0.parameters.properties.a.type": [TYPE_RULE.removesuffix(", or a JSON Schema.") + "."]},
        ),
        (
            [{"name": "f", "parameters": {"type": "object", "properties": {}, "required": ["a"]}}],
            {"0.parameters.required": ["Contains names that are not in properties: a."]},
        ),
        (
            [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}}],
            {"0.parameters": ["$defs has no definition for #/$defs/b."]},
        ),
        (
            [{"name": "f", "parameters": {"a": {"enum": []}}}],
            {"0.parameters.a.enum": ["Must be a list of at least one value."]},
        ),
        ([{"name": "f", "description": "é" * 9000}], {"0": ["Must be at most 16384 bytes of JSON."]}),
        ([{"name": "f", "description": "\x00"}], {"0": ["Must not contain null characters."]}),
        (
            [{"name": "f", "description": "\ud800"}],
            {"0": ["Must be valid JSON without lone surrogates, infinite numbers, or very deep nesting."]},
        ),
    ],
)
def test_problems_are_reported_with_their_path(tools, problems):
    assert tool_problems(tools) == problems


def test_an_escaped_backslash_is_not_a_null_character():
    assert tool_problems([{"name": "f", "description": "\\u0000"}]) == {}


def test_schemas_can_be_nested_eight_levels_deep():
    assert tool_problems([{"name": "f", "parameters": {"a": nested(7)}}]) == {}
    path = "0.parameters.a" + ".items" * 7
    assert tool_problems([{"name": "f", "parameters": {"a": nested(8)}}]) == {
        path: ["Must be nested at most 8 levels deep."]
    }


@pytest.mark.parametrize(
    ("config", "on_telephone", "names"),
    [
        (CallConfig(), True, ["end_call", "send_dtmf"]),
        (CallConfig(tools=(DAY,)), False, ["check_availability", "end_call"]),
        (CallConfig(tools=(DAY,), hang_up_tool=False, keypad_tool=False), True, ["check_availability"]),
        (CallConfig(hang_up_tool=False), True, ["send_dtmf"]),
        (CallConfig(transfer_number="+14155550100"), False, ["end_call"]),
        (CallConfig(transfer_number="+14155550100"), True, ["end_call", "transfer_call", "send_dtmf"]),
        (CallConfig(tool_webhook_url="https://example.com/t"), True, ["end_call", "transfer_call", "send_dtmf"]),
        (CallConfig(transfer_number="+14155550100", auto_transfer_tool=False), True, ["end_call", "send_dtmf"]),
    ],
)
def test_built_in_tools_are_offered_where_they_can_work(config, on_telephone, names):
    assert [tool.name for tool in build_toolset(config, on_telephone=on_telephone)] == names
