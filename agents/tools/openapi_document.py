"""Reading a pasted or uploaded OpenAPI document: JSON or YAML, within limits, with internal references only."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import yaml

from bubblyphone.core.json.documents import MAX_DEPTH, InvalidJSON, parse_json

MAX_BYTES = 10 * 1024 * 1024
MAX_NODES = 100_000  # of a YAML document
MAX_WRITTEN = 2000  # values of one schema after its references are inlined
MAX_SCHEMA_DEPTH = 6
# Keywords that tell a model what a value must be. OpenAPI's other keywords are for people or code generators.
KEPT = (
    "type", "description", "enum", "const", "default", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems",
    "maxItems",
)  # fmt: skip
MAX_DESCRIPTION = 300


class UnusableDocument(ValueError):
    """The document cannot be used. The message is shown to the user."""


class UnusableOperation(ValueError):
    """An operation cannot become a tool; the message says why."""


class _Loader(yaml.CSafeLoader):
    """YAML's types without dates, which JSON does not have."""

    yaml_implicit_resolvers = {
        first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def read_document(content: bytes) -> Mapping[str, Any]:
    """The document's value. Raises UnusableDocument for one that is too large or deep, or that is not OpenAPI 3."""
    if len(content) > MAX_BYTES:
        raise UnusableDocument("The document is larger than 10 MiB. Remove what you do not need.")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UnusableDocument("The document must be UTF-8.") from error
    try:
        document = parse_json(text) if text.startswith("{") else _parse_yaml(text)
    except InvalidJSON as error:
        raise UnusableDocument(f"The document is {error}.") from error
    if isinstance(document, Mapping) and "swagger" in document:
        raise UnusableDocument("This is Swagger 2.0. Convert it to OpenAPI 3 first.")
    if not isinstance(document, Mapping) or not str(document.get("openapi", "")).startswith("3."):
        raise UnusableDocument("This is not an OpenAPI 3 document.")
    if not isinstance(document.get("paths"), Mapping):
        raise UnusableDocument("The document has no paths.")
    return document


def _parse_yaml(text: str) -> Any:
    try:
        _check_bounds(text)
        return _as_json(yaml.load(text, Loader=_Loader))  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        if isinstance(error, UnusableDocument):
            raise
        raise UnusableDocument("The document is not valid JSON or YAML.") from error


def _check_bounds(text: str) -> None:
    """Checked before anything is built, because aliases multiply their content."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.AliasEvent):
            raise UnusableDocument("YAML aliases are not supported. Use $ref.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise UnusableDocument("The document is nested too deeply.")
        if nodes > MAX_NODES:
            raise UnusableDocument("The document has too many values for YAML. Convert it to JSON.")


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


class References:
    """Follows `$ref` within the document and inlines schemas for a model.

    One instance per operation, because it counts the inlined values.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._written = 0

    def follow(self, value: Any) -> Mapping[str, Any]:
        """The object, or the one it refers to; {} for anything else. Raises UnusableOperation."""
        seen: list[str] = []
        while isinstance(value, Mapping) and isinstance(reference := value.get("$ref"), str):
            if reference in seen:
                raise UnusableOperation(f"{reference[:100]} refers to itself.")
            seen.append(reference)
            value = self._target(reference)
        return value if isinstance(value, Mapping) else {}

    def schema(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """A schema, limited to the keywords that models understand.

        Beyond the maximum depth, as in a recursive schema, only the type remains.
        """
        self._written += 1
        if self._written > MAX_WRITTEN:
            raise UnusableOperation("The schema is too large once its references are written out.")
        found = self.follow(value)
        if depth > MAX_SCHEMA_DEPTH:
            return {"type": found["type"]} if isinstance(found.get("type"), str) else {}
        written = {name: found[name] for name in KEPT if found.get(name) is not None}
        if "description" in written:
            written["description"] = str(written["description"]).strip()[:MAX_DESCRIPTION]
        for name in ("oneOf", "anyOf", "allOf"):
            if isinstance(found.get(name), list) and found[name]:
                written[name] = [self.schema(item, depth + 1) for item in found[name]]
        if isinstance(found.get("items"), Mapping):
            written["items"] = self.schema(found["items"], depth + 1)
        if isinstance(found.get("properties"), Mapping):
            written |= self._object(found, depth)
        return written

    def _object(self, found: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = {
            name: self.schema(inner, depth + 1)
            for name, inner in found["properties"].items()
            if self.follow(inner).get("readOnly") is not True
        }
        required = found.get("required")
        needed = [name for name in properties if isinstance(required, list) and name in required]
        return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise UnusableOperation(f"{reference[:100]} is outside the document.")
        value: Any = self._document
        for part in unquote(reference[2:]).split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            raise UnusableOperation(f"The document has no {reference[:100]}.")
        return value
