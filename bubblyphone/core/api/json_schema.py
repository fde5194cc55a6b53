"""What responses hold: each object is declared once, as a JSON Schema (OpenAPI 3.1) that also makes the object from a row.

There is an example at every leaf; the example of a whole is put together from them.
"""

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import Model

from bubblyphone.core.api.views import format_time
from bubblyphone.core.money import format_amount

Schema = dict[str, Any]

# Named shapes, which become components/schemas.
SHAPES: dict[str, Schema] = {}
_PREFIX = "#/components/schemas/"
_MONEY = r"^-?[0-9]+\.[0-9]{2,6}$"


class Read(NamedTuple):
    """A property whose source is another attribute, or a function that returns its value."""

    source: str | Callable[[Any], Any]
    schema: Schema


class Record(Schema):
    """The schema of an object, or a reference to it, that also builds the object."""

    def __init__(self, schema: Schema, properties: Mapping[str, Schema | Read], optional: Collection[str]) -> None:
        super().__init__(schema)
        self.properties = dict(properties)
        self._optional = optional
        sources = {name: part if isinstance(part, Read) else Read(name, part) for name, part in properties.items()}
        self._called = [(name, part.source) for name, part in sources.items() if callable(part.source)]
        self._changed = [(name, show) for name, part in sources.items() if (show := _shown(part))]
        # All at once, which is fast; a function's place is held by an attribute that every object has, and so is one place at the end,
        # since attrgetter gives no tuple of one.
        self._paths = ["__class__" if callable(part.source) else part.source for part in sources.values()]
        self._attributes = attrgetter(*self._paths, "__class__")

    def columns(self, model: type[Model], *also: str) -> list[str]:
        """The model columns that the object is built from, for `QuerySet.only`; `also` names those behind its properties and functions.

        A function is assumed to read the column of its own name, if there is one.
        """
        sources = {*self.properties, *(part.source for part in self.properties.values() if isinstance(part, Read))}
        names = [field.attname for field in model._meta.concrete_fields]
        return [name for name in names if name in sources or name in also]

    def of(self, row: Any, **given: Any) -> dict[str, Any]:
        """The object for a response. An optional property that is None is omitted. `given`: values that the row does not have."""
        if given:
            found = {
                name: given[name] if name in given else attrgetter(path)(row)
                for name, path in zip(self.properties, self._paths, strict=True)
            }
        else:
            found = dict(zip(self.properties, self._attributes(row), strict=False))
        for name, show in self._changed:
            found[name] = show(found[name])
        for name, make in self._called:
            found[name] = make(row)
        for name in self._optional:
            if found[name] is None:
                del found[name]
        return found


def shape(
    name: str, properties: Mapping[str, Schema | Read], description: str = "", *, optional: Collection[str] = ()
) -> Record:
    """Name an object whose properties, except the optional ones, are always present; returns a reference to it."""
    SHAPES[name] = {**record(properties, optional=optional), **_described(description)}
    return Record({"$ref": f"{_PREFIX}{name}"}, properties, optional)


def record(properties: Mapping[str, Schema | Read], *, optional: Collection[str] = ()) -> Record:
    """An object without a name."""
    schema = {
        "type": "object",
        "properties": {name: part.schema if isinstance(part, Read) else part for name, part in properties.items()},
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
    return Record(schema, properties, optional)


def _shown(part: Read) -> Callable[[Any], Any] | None:
    """The value of an attribute as the schema shows it; None if it is unchanged. An empty text becomes null if the schema allows it."""
    schema = part.schema
    types = schema.get("type", ())
    if callable(part.source):
        return None
    if isinstance(schema, Record):
        return schema.of
    if schema.get("format") == "date-time":
        return format_time
    if schema.get("pattern") == _MONEY:
        return format_amount
    if types == "array" and isinstance(items := schema["items"], Record):
        return lambda rows: [items.of(row) for row in rows]
    if "string" in types and "null" in types:
        return lambda value: value or None
    return None


def text(example: str, description: str = "", **rules: Any) -> Schema:
    return {"type": "string", **rules, **_described(description), "examples": [example]}


def whole(example: int, description: str = "", **rules: Any) -> Schema:
    return {"type": "integer", **rules, **_described(description), "examples": [example]}


def number(example: float, description: str = "", **rules: Any) -> Schema:
    return {"type": "number", **rules, **_described(description), "examples": [example]}


def flag(description: str = "", *, example: bool = False) -> Schema:
    return {"type": "boolean", **_described(description), "examples": [example]}


def choice(values: Any, example: str, description: str = "") -> Schema:
    """One of the values of a TextChoices, or of a sequence of texts."""
    return {
        "type": "string",
        "enum": [str(value) for value in values],
        **_described(description),
        "examples": [example],
    }


def money(example: str, description: str = "") -> Schema:
    """An exact amount in USD, as text."""
    return text(example, description, pattern=_MONEY)


def moment(description: str = "", example: str = "2026-04-05T12:00:00Z") -> Schema:
    return text(example, description, format="date-time")


def listing(items: Schema, description: str = "", example: Any = None) -> Schema:
    shown = {} if example is None else {"examples": [example]}
    return {"type": "array", "items": items, **_described(description), **shown}


def free_object(example: Mapping[str, Any], description: str = "") -> Schema:
    """An object with arbitrary keys."""
    return {"type": "object", **_described(description), "examples": [dict(example)]}


def nullable(schema: Schema, *, example: Any = ...) -> Schema:
    """The same or null; `example` if null, or another value, is a better example."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    found = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        found["enum"] = [*schema["enum"], None]
    if example is not ...:
        found["examples"] = [example]
    return found


def data_of(content: Schema) -> Schema:
    """The envelope of a success."""
    return record({"data": content})


def data_with_warnings(content: Schema) -> Schema:
    """The same, with optional warnings about what was saved."""
    warnings = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Likely mistakes in what was saved. Absent if there are none.",
    }
    envelope = record({"data": content})
    return {**envelope, "properties": {**envelope["properties"], "warnings": warnings}}


def page_of(row: Schema, *, size: int = 25) -> Schema:
    """A list with cursors. `size` is the default number of rows on a page."""
    return record(
        {
            "data": listing(row),
            "meta": record(
                {
                    "per_page": whole(size, minimum=1, maximum=100),
                    "next_cursor": nullable(text("bjo0Mg", "Cursor of the next page.")),
                    "prev_cursor": nullable(text("cDo1MA", "Cursor of the previous page."), example=None),
                }
            ),
            "links": record(
                {
                    "next": nullable(text("https://agents.example.com/api/v1/calls?cursor=bjo0Mg")),
                    "prev": nullable(text("https://agents.example.com/api/v1/calls?cursor=cDo1MA"), example=None),
                }
            ),
        }
    )


def page_size(schema: Schema | None) -> int | None:
    """The `size` of a list that `page_of` made; None for anything else."""
    properties = schema.get("properties", {}) if schema else {}
    return properties["meta"]["properties"]["per_page"]["examples"][0] if "meta" in properties else None


def example_of(schema: Schema) -> Any:
    """An example, composed of those of its parts."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(SHAPES[_name(schema)])
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0])
    if schema.get("type") == "array":
        return [example_of(schema["items"])]
    properties: dict[str, Schema] = schema.get("properties", {})
    required: list[str] = schema.get("required", list(properties))
    return {name: example_of(properties[name]) for name in required}


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix(_PREFIX)


def _described(description: str) -> Schema:
    return {"description": description} if description else {}
