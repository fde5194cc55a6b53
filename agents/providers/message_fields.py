"""Reads fields of vendors' messages, which may be missing or of another type."""

from collections.abc import Mapping
from typing import Any

from bubblyphone.core.json.documents import InvalidJSON, parse_foreign_json


def parse_object(frame: str | bytes) -> dict[str, Any] | None:
    """The JSON object in a frame; None for anything else, which is ignored."""
    try:
        value = parse_foreign_json(frame)
    except InvalidJSON:
        return None
    return value if isinstance(value, dict) else None


def child(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def text(value: Mapping[str, Any], key: str) -> str:
    """The string at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def items(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of the list at `key`; empty if it is missing or of another type."""
    found = value.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
