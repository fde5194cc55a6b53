"""The analysis schema of an agent: typed fields to extract from the transcript after each call."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.json_checks import Problem, group_by_path, json_problem

MAX_FIELDS = 50
MAX_OPTIONS = 50
MAX_OPTION = 200
MAX_DESCRIPTION = 1000
MAX_BYTES = 65_536
FIELD_TYPES = ("text", "boolean", "number", "selector")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
NAME_RULE = "A name must start with a letter or underscore and contain only letters, digits, and underscores."


def schema_problems(schema: object) -> dict[str, list[str]]:
    """The errors of a schema, by path ("budget.type"; "" is the schema itself). Empty if it is valid."""
    return group_by_path(_problems(schema))


def _problems(schema: object) -> Iterator[Problem]:
    if not isinstance(schema, Mapping):
        yield "", 'Must be an object of fields: {"name": {"type": …, "description": …}}.'
        return
    if len(schema) > MAX_FIELDS:
        yield "", f"Must have at most {MAX_FIELDS} fields."
        return
    if problem := json_problem(schema, max_bytes=MAX_BYTES):
        yield "", problem
        return
    for name, field in schema.items():
        if not NAME.fullmatch(name):
            yield name, NAME_RULE
        elif not isinstance(field, Mapping):
            yield name, 'Must be like {"type": "text", "description": …}.'
        else:
            yield from _field_problems(name, field)


def _field_problems(name: str, field: Mapping[str, Any]) -> Iterator[Problem]:
    for unknown in sorted(field.keys() - {"type", "description", "options"}):
        yield f"{name}.{unknown}", "Unknown field."
    kind = field.get("type")
    if kind not in FIELD_TYPES:
        yield f"{name}.type", f"Must be one of {', '.join(FIELD_TYPES)}."
    description = field.get("description")
    if not isinstance(description, str) or not 1 <= len(description.strip()) <= MAX_DESCRIPTION:
        yield f"{name}.description", f"A description of 1 to {MAX_DESCRIPTION} characters is required."
    if kind == "selector":
        yield from _option_problems(f"{name}.options", field.get("options"))
    elif "options" in field:
        yield f"{name}.options", "Only selectors have options."


def _option_problems(path: str, options: object) -> Iterator[Problem]:
    if not isinstance(options, list) or not 1 <= len(options) <= MAX_OPTIONS:
        yield path, f"A selector must have a list of 1 to {MAX_OPTIONS} options."
    elif not all(isinstance(option, str) and 1 <= len(option.strip()) <= MAX_OPTION for option in options):
        yield path, f"Each option must be a string of 1 to {MAX_OPTION} characters."
    elif len(set(options)) != len(options):
        yield path, "Options must be unique."
