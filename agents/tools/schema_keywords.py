"""Which values the keywords of a JSON Schema may have (draft 2020-12), and where schemas are within a schema.

Vendors refuse a whole call for a schema that is none. Checking one against the published metaschema takes a second for a long one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agents.json_checks import Problem

TYPES = ("string", "number", "integer", "boolean", "array", "object")
# Keywords that have one schema, which may be true or false; a list of schemas; an object of them.
_ONE = (
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_OBJECTS = ("properties", "patternProperties", "dependentSchemas")


def subschemas(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, object]]:
    """Each value that must be a schema, with its path. What is no list or object of them is keyword_problems' affair."""
    for keyword in _ONE:
        if keyword in schema and not (isinstance(schema[keyword], bool) and keyword != "items"):
            yield f"{path}.{keyword}", schema[keyword]
    for keyword in _LISTS:
        if isinstance(schema.get(keyword), list):
            yield from ((f"{path}.{keyword}.{index}", inner) for index, inner in enumerate(schema[keyword]))
    for keyword in _OBJECTS:
        if isinstance(schema.get(keyword), Mapping):
            yield from ((f"{path}.{keyword}.{name}", inner) for name, inner in schema[keyword].items())


def keyword_problems(schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What is wrong with the keywords of this schema, without the schemas within it."""
    for keyword, (is_right, rule) in _RULES.items():
        if keyword in schema and not is_right(schema[keyword]):
            yield f"{path}.{keyword}", rule
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(properties, Mapping) and _are_names(required):
        missing = [name for name in required or () if name not in properties]
        if missing:
            yield f"{path}.required", f"Contains names that are not in properties: {', '.join(missing)}."


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)  # type: ignore[operator, call-overload]


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _are_types(value: object) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return (
        bool(kinds) and all(isinstance(kind, str) and kind in (*TYPES, "null") for kind in kinds) and _are_names(kinds)
    )


def _rules(keywords: str, is_right: Callable[[Any], bool], rule: str) -> dict[str, tuple[Callable[[Any], bool], str]]:
    return dict.fromkeys(keywords.split(), (is_right, rule))


_RULES = {
    **_rules("type", _are_types, f"Unknown type. Use one of {', '.join(TYPES)}."),
    **_rules("enum", lambda value: isinstance(value, list) and bool(value), "Must be a list of at least one value."),
    **_rules("title description format pattern $comment", lambda value: isinstance(value, str), "Must be a string."),
    **_rules("required", _are_names, "Must be a list of unique parameter names."),
    **_rules("minimum maximum exclusiveMinimum exclusiveMaximum", _is_number, "Must be a number."),
    **_rules("multipleOf", lambda value: _is_number(value) and value > 0, "Must be a number greater than 0."),
    **_rules(
        "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains",
        _is_count,
        "Must be a whole number of 0 or more.",
    ),
    **_rules(
        "uniqueItems deprecated readOnly writeOnly", lambda value: isinstance(value, bool), "Must be true or false."
    ),
    **_rules("examples", lambda value: isinstance(value, list), "Must be a list."),
    **_rules(
        "dependentRequired",
        lambda value: isinstance(value, Mapping) and all(map(_are_names, value.values())),
        "Must be an object of lists of parameter names.",
    ),
    **_rules(" ".join(_OBJECTS), lambda value: isinstance(value, Mapping), "Must be an object of JSON Schemas."),
    **_rules(
        " ".join(_LISTS), lambda value: isinstance(value, list) and bool(value), "Must be a list of JSON Schemas."
    ),
}
