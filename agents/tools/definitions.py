"""Tools of an agent: what developers may define, how that becomes JSON Schema, and the built-in tools."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.agent_settings.call_config import CallConfig
from agents.json_checks import Problem, group_by_path, json_problem
from agents.providers.base import ToolSpec
from agents.tools import http_tools
from agents.tools.schema_keywords import TYPES, keyword_problems, subschemas
from agents.tools.schema_references import UnusableReference, inlined

MAX_TOOLS = 64
MAX_PARAMETERS = 64
MAX_DEPTH = 8
MAX_TOOL_BYTES = 16_384
MAX_DESCRIPTION = 2000
MAX_WAITING_WORDS = 200  # of what is said while a tool takes its time
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
DEFINITION_FIELDS = frozenset({"name", "description", "parameters", "type", "speak_while_waiting", *http_tools.FIELDS})
NAME_RULE = "Must start with a letter or underscore and contain at most 64 letters, digits, underscores, and hyphens."

END_CALL = ToolSpec(
    name="end_call",
    description="Hang up the phone. Call it once the conversation is over, after you have said goodbye.",
    parameters={
        "type": "object",
        "properties": {"reason": {"type": "string", "description": "Why the call ends, in a few words."}},
    },
)
TRANSFER_CALL = ToolSpec(
    name="transfer_call",
    description="Transfer the caller to a person. Call it when the caller asks for one, or when you cannot help.",
    parameters={
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": "Why the call is transferred, in a few words."},
            "briefing": {
                "type": "string",
                "description": "What the person should hear before the caller is connected, in a sentence or two. Leave it"
                " out to connect them at once.",
            },
        },
    },
)
SEND_DTMF = ToolSpec(
    name="send_dtmf",
    description="Press keys on the telephone keypad. Call it only when a machine at the other end asks for them.",
    parameters={
        "type": "object",
        "properties": {
            "digits": {"type": "string", "description": "The keys in order: 0-9, *, #; w waits half a second."}
        },
        "required": ["digits"],
    },
)
ADD_TO_DO_NOT_CALL = ToolSpec(
    name="add_to_do_not_call",
    description="Put the person's number on the do-not-call list, so that it is never called again. Call it only when the person asks"
    " for that, such as: never call me again, take me off your list. Then confirm it.",
    parameters={
        "type": "object",
        "properties": {"reason": {"type": "string", "description": "What the person said, in a few words."}},
        "required": [],
    },
)
RESERVED_NAMES = frozenset({"end_call", "transfer_call", "send_dtmf", "add_to_do_not_call"})

# OpenAI: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level".
TOP_LEVEL_REFUSED = frozenset({"anyOf", "oneOf", "allOf", "enum", "not"})

# By a string's format, else by type.
EXAMPLES = {
    "date": "2026-12-24", "time": "18:30", "date-time": "2026-12-24T18:30:00Z", "email": "jane@example.com",
    "string": "…", "number": 1, "integer": 1, "boolean": True,
}  # fmt: skip


def build_toolset(config: CallConfig, *, on_telephone: bool = False) -> tuple[ToolSpec, ...]:
    """The tools of the model in a call. `on_telephone`: a carrier's call, which can be transferred and has keys."""
    toolset = [widen(tool) for tool in config.tools]
    if config.hang_up_tool:
        toolset.append(END_CALL)
    leads_somewhere = config.transfer_number or config.unusable_transfer_number or config.tool_webhook_url
    if on_telephone and config.auto_transfer_tool and leads_somewhere:
        toolset.append(TRANSFER_CALL)
    if on_telephone and config.opt_out_tool:
        toolset.append(ADD_TO_DO_NOT_CALL)
    if on_telephone and config.keypad_tool:
        toolset.append(SEND_DTMF)
    return tuple(toolset)


def widen(tool: Mapping[str, Any]) -> ToolSpec:
    """A checked definition as a ToolSpec. Parameters in the short form become JSON Schema, all of them required."""
    parameters = tool.get("parameters") or {}
    if _is_json_schema(parameters):
        schema = {**inlined(parameters), "type": "object"}
        schema.setdefault("properties", {})
    else:
        properties = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in parameters.items()}
        schema = {"type": "object", "properties": properties, **({"required": list(properties)} if properties else {})}
    return ToolSpec(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=schema,
        speak_while_waiting=tool.get("speak_while_waiting") or "",
    )


def example_arguments(schema: Mapping[str, Any]) -> Any:
    """A value that fits the shape of a checked schema, for a first try: "…" for a text, the first of an enum."""
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if "default" in schema or schema.get("enum"):
        return schema.get("default", (schema.get("enum") or [None])[0])
    if kind == "object":
        return {name: example_arguments(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_arguments(schema["items"])] if isinstance(schema.get("items"), Mapping) else []
    return EXAMPLES.get(str(schema.get("format")), EXAMPLES.get(str(kind)))


def tool_problems(tools: object) -> dict[str, list[str]]:
    """What is wrong with a list of definitions, by path ("0.parameters.date"; "" is the list itself)."""
    return group_by_path(_problems(tools))


def _problems(tools: object) -> Iterator[Problem]:
    if not isinstance(tools, list):
        yield "", "Must be a list of function definitions."
        return
    if len(tools) > MAX_TOOLS:
        yield "", f"Must have at most {MAX_TOOLS} tools."
        return
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            yield str(index), 'Must be a function definition: {"name": …, "description": …, "parameters": …}.'
            continue
        # The other checks walk through the value, so that it must be known to be bounded.
        if problem := json_problem(tool, max_bytes=MAX_TOOL_BYTES):
            yield str(index), problem
            continue
        yield from _definition_problems(tool, str(index))
        name = tool.get("name")
        if isinstance(name, str):
            if name in names:
                yield f"{index}.name", f"The name {name} is used twice."
            names.add(name)


def _definition_problems(tool: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for unknown in sorted(tool.keys() - DEFINITION_FIELDS):
        yield f"{path}.{unknown}", "Unknown field."
    # OpenAI's way of writing the same definition.
    if tool.get("type", "function") != "function":
        yield f"{path}.type", 'Must be "function".'
    name = tool.get("name")
    if name is None:
        yield f"{path}.name", "This field is required."
    elif not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"{path}.name", NAME_RULE
    elif name in RESERVED_NAMES:
        yield f"{path}.name", f"{name} is the name of a built-in tool."
    description = tool.get("description", "")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION:
        yield f"{path}.description", f"Must be a string of at most {MAX_DESCRIPTION} characters."
    words = tool.get("speak_while_waiting") or ""
    if not isinstance(words, str) or len(words) > MAX_WAITING_WORDS:
        yield f"{path}.speak_while_waiting", f"Must be a string of at most {MAX_WAITING_WORDS} characters."
    yield from _parameters_problems(tool.get("parameters"), f"{path}.parameters")
    yield from http_tools.definition_problems(tool, _parameter_names(tool.get("parameters")), path)


def _parameter_names(parameters: object) -> Iterator[str]:
    if isinstance(parameters, Mapping):
        properties = parameters.get("properties") if _is_json_schema(parameters) else parameters
        yield from properties if isinstance(properties, Mapping) else ()


def _parameters_problems(parameters: object, path: str) -> Iterator[Problem]:
    if parameters is None:
        return
    if not isinstance(parameters, Mapping):
        yield path, 'Must be a JSON Schema object or the short form {"date": "string"}.'
    elif _is_json_schema(parameters):
        if parameters.get("type", "object") != "object":
            yield f"{path}.type", 'Must be "object".'
        for keyword in TOP_LEVEL_REFUSED & parameters.keys():
            yield (
                f"{path}.{keyword}",
                f"Models reject {keyword} at the top level of parameters. Use it inside a property.",
            )
        try:
            written_out = inlined(parameters)
        except UnusableReference as error:
            yield path, str(error)
        else:
            yield from _schema_problems(written_out, path, depth=1)
    elif len(parameters) > MAX_PARAMETERS:
        yield path, f"Must have at most {MAX_PARAMETERS} parameters."
    else:
        for name, kind in parameters.items():
            yield from _short_form_problems(name, kind, f"{path}.{name}")


def _is_json_schema(parameters: Mapping[str, Any]) -> bool:
    """Else it is the short form, whose keys are the parameters' names."""
    return parameters.get("type") == "object" or isinstance(parameters.get("properties"), Mapping)


def _short_form_problems(name: str, kind: object, path: str) -> Iterator[Problem]:
    if not NAME.fullmatch(name):
        yield path, NAME_RULE
    elif isinstance(kind, Mapping):
        yield from _schema_problems(kind, path, depth=2)
    elif kind not in TYPES:
        yield path, f"Unknown type. Use one of {', '.join(TYPES)}, or a JSON Schema."


def _schema_problems(schema: object, path: str, depth: int) -> Iterator[Problem]:
    """The part of JSON Schema that every provider understands is checked; other keywords pass as they are."""
    if not isinstance(schema, Mapping):
        yield path, "Must be a JSON Schema object."
        return
    if depth > MAX_DEPTH:
        yield path, f"Must be nested at most {MAX_DEPTH} levels deep."
        return
    yield from keyword_problems(schema, path)
    if isinstance(properties := schema.get("properties"), Mapping) and len(properties) > MAX_PARAMETERS:
        yield f"{path}.properties", f"Must have at most {MAX_PARAMETERS} parameters."
    for inner_path, inner in subschemas(schema, path):
        yield from _schema_problems(inner, inner_path, depth + 1)
