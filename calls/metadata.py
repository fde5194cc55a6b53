"""Metadata of calls: the developer's own labels, such as an order ID.

It is set by the request or the lookup, and sent with every webhook of the call.
"""

from collections.abc import Mapping

from agents.json_checks import json_problem

MAX_KEYS = 50
MAX_KEY_CHARACTERS = 40
MAX_VALUE_CHARACTERS = 500
_MAX_BYTES = 256 * 1024  # more than the limits above allow


def metadata_problems(value: object) -> dict[str, list[str]]:
    """Problems with a metadata value, by key ("" is the value itself); empty if it is valid."""
    if not isinstance(value, Mapping):
        return {"": ["Must be an object with string values."]}
    if len(value) > MAX_KEYS:
        return {"": [f"Must have at most {MAX_KEYS} keys."]}
    if problem := json_problem(dict(value), max_bytes=_MAX_BYTES):
        return {"": [problem]}
    found: dict[str, list[str]] = {}
    for key, text in value.items():
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            found[key] = [f"Keys must have 1 to {MAX_KEY_CHARACTERS} characters."]
        elif not isinstance(text, str):
            found[key] = ["Must be a string."]
        elif len(text) > MAX_VALUE_CHARACTERS:
            found[key] = [f"Must have at most {MAX_VALUE_CHARACTERS} characters."]
    return found
