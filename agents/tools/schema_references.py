"""References within a JSON Schema (`$ref` to `$defs`), written out: not every vendor resolves them."""

from collections.abc import Mapping
from typing import Any

MAX_NODES = 2000  # of a schema that is written out; references to references multiply


class UnusableReference(ValueError):
    """A reference that cannot be written out; the message is for its author."""


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without `$defs` and `$ref`. Raises UnusableReference."""
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, Mapping):
        raise UnusableReference("$defs must be an object of JSON Schemas.")
    rest = {name: value for name, value in schema.items() if name != "$defs"}
    found: dict[str, Any] = _Writer(definitions).write(rest, ())
    return found


class _Writer:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._nodes = 0

    def write(self, value: Any, open_names: tuple[str, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UnusableReference("The schema is too large once its references are inlined.")
        if isinstance(value, list):
            return [self.write(item, open_names) for item in value]
        if not isinstance(value, Mapping):
            return value
        if not isinstance(reference := value.get("$ref"), str):
            return {name: self.write(item, open_names) for name, item in value.items()}
        name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
        if not reference.startswith("#/$defs/") or name not in self._definitions:
            raise UnusableReference(f"$defs has no definition for {reference[:100]}.")
        if name in open_names:
            raise UnusableReference(f"{reference[:100]} refers to itself. Models do not accept recursive schemas.")
        beside = {key: item for key, item in value.items() if key != "$ref"}
        target = self.write(self._definitions[name], (*open_names, name))
        return {**target, **self.write(beside, open_names)} if isinstance(target, dict) else target
