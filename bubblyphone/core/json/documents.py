"""The only parser for external JSON: strict RFC 8259, bounded in depth, and storable in PostgreSQL.

Python's own parser accepts NaN and lone surrogates and fails with a RecursionError whose threshold differs between versions. Every
document from a client, developer, vendor or browser is parsed here, and so are stored documents: ruff bans other parsers
(pyproject.toml). Size is limited where a document is received.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

# An object or list counts as one level, so `{"a": [1]}` has two.
MAX_DEPTH = 64
# Stored documents wrap accepted ones, such as the arguments of a tool call inside its webhook.
MAX_STORED_DEPTH = 2 * MAX_DEPTH
# A NUL in a JSON escape, after any number of escaped backslashes.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


class InvalidJSON(ValueError):
    """The message continues "The body is …". `path` names the offending value, if there is one ("tools.0.name")."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def parse_json(document: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The document's value. Raises InvalidJSON for anything but JSON, for deeper nesting and for NUL characters.

    Lone surrogates, NaN and numbers beyond a float's range are not JSON either.
    """
    raw = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    value = _parse(raw, max_depth)
    if b"\\u0000" in raw and (path := next(_nul_paths(value, ""), None)) is not None:
        raise InvalidJSON("invalid: it contains a null character", path)
    return value


def parse_foreign_json(document: str | bytes) -> Any:
    """Like parse_json, for a server's response or event: NUL characters are removed, so that the rest can be used."""
    raw = document.encode("utf-8", "replace") if isinstance(document, str) else document
    return _parse(_NUL.sub(rb"\1", raw) if b"\\u0000" in raw else raw, MAX_DEPTH)


def parse_stored_json(document: str | bytes) -> Any:
    """A document that we wrote ourselves."""
    return parse_json(document, max_depth=MAX_STORED_DEPTH)


def parse_lenient_json(document: str) -> Any:
    """JSON from a developer's server, including what languages add to JSON, as a value that can be stored and forwarded.

    For a repeated name the last value counts, as in JavaScript. NaN, infinities and numbers beyond a float's range become null. Lone
    surrogates become U+FFFD, NUL characters are removed, integers beyond 64 bits become floats. Raises InvalidJSON.
    """
    try:
        value = orjson.loads(document)  # noqa: TID251
    except ValueError:
        value = _parse_with_extensions(document)
    _check_depth(document.encode("utf-8", "replace"), value, MAX_DEPTH)
    return _storable(value)


def _parse(document: bytes, max_depth: int) -> Any:
    try:
        value = orjson.loads(document)  # noqa: TID251
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"not valid JSON: {error}") from None
    _check_depth(document, value, max_depth)
    return value


def _check_depth(document: bytes, value: Any, max_depth: int) -> None:
    """Checks level by level, without recursion. Documents with few brackets, including audio frames, need no walk."""
    if document.count(b"[") + document.count(b"{") <= max_depth:
        return
    level = [value]
    for _ in range(max_depth + 1):
        containers = [each for each in level if isinstance(each, dict | list)]
        if not containers:
            return
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    raise InvalidJSON(f"nested more than {max_depth} levels deep")


def _parse_with_extensions(document: str) -> Any:
    """Uses Python's parser, which accepts NaN and surrogates, after limiting the nesting."""
    depth = 0
    for match in _TEXT_OR_BRACKET.finditer(document):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            raise InvalidJSON(f"nested more than {MAX_DEPTH} levels deep")
    try:
        return json.loads(  # noqa: TID251
            document,
            parse_constant=lambda name: None,
            parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits),
        )
    except ValueError as error:
        raise InvalidJSON(f"not valid JSON: {error}") from None


def _storable(value: Any) -> Any:
    match value:
        case dict():
            return {_clean(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case str():
            return _clean(value)
        case float() if not math.isfinite(value):
            return None
    return value


def _clean(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")


def _nul_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and "\x00" in value:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            if "\x00" in key:
                yield path
            yield from _nul_paths(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nul_paths(inner, f"{path}.{index}" if path else str(index))
