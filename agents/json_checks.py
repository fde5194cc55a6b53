"""Checks for any JSON value stored for a developer: its size, and that PostgreSQL can store it."""

import json
from collections.abc import Iterable

Problem = tuple[str, str]  # (path, text)


def group_by_path(problems: Iterable[Problem]) -> dict[str, list[str]]:
    """The texts of the problems, grouped by path."""
    found: dict[str, list[str]] = {}
    for path, text in problems:
        found.setdefault(path, []).append(text)
    return found


def json_problem(value: object, *, max_bytes: int) -> str | None:
    """Why `value` cannot be stored, as a sentence; None if it can. `max_bytes` counts its compact JSON in UTF-8.

    PostgreSQL's jsonb knows neither NUL characters nor lone surrogates, and JSON has no NaN.
    """
    try:
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return "Must be valid JSON without lone surrogates, infinite numbers, or very deep nesting."
    if len(encoded) > max_bytes:
        return f"Must be at most {max_bytes} bytes of JSON."
    # A literal backslash is escaped as two; a \u0000 outside of those is a NUL.
    if b"\\u0000" in encoded.replace(b"\\\\", b""):
        return "Must not contain null characters."
    return None
