"""The shape of an analysis: each field of the schema with a value of its type.

text: string or null · boolean: true or false · number: integer, float or null · selector: one of its options
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, StrictStr, create_model

# Options that mean "unknown", the clearest first.
UNDECIDED = (
    r"\b(?:unknown|unclear|undecided|undetermined|not sure|n a|none|nothing|neutral)\b",
    r"\b(?:other|no answer|no response|not applicable|not reached)\b",
    r"^(?:no|not|non|un)\b",
)


def answer_type(schema: Mapping[str, Any]) -> type[BaseModel]:
    """A schema as a pydantic type: its JSON Schema constrains the model, its validation checks the answer."""
    # A developer's field names can clash with pydantic's own; as aliases they can be anything.
    fields: dict[str, Any] = {
        f"field_{place}": (_value_type(field), Field(alias=name, title=name, description=field["description"]))
        for place, (name, field) in enumerate(schema.items())
    }
    config = ConfigDict(extra="forbid", strict=True, title="Analysis")
    return create_model("Analysis", __config__=config, **fields)


def _value_type(field: Mapping[str, Any]) -> Any:
    match field["type"]:
        case "boolean":
            return StrictBool
        case "number":
            return StrictInt | FiniteFloat | None
        case "selector":
            return Literal[tuple(field["options"])]
    return StrictStr | None


def empty_answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The result for a call without speech: no text, no number, false, and the most neutral option."""
    return {name: _empty_value(field) for name, field in schema.items()}


def _empty_value(field: Mapping[str, Any]) -> Any:
    match field["type"]:
        case "boolean":
            return False
        case "selector":
            return undecided(field["options"])
    return None


def undecided(options: Sequence[str]) -> str:
    """The most neutral option; the last one if none is neutral."""
    for pattern in UNDECIDED:
        for option in options:
            if re.search(pattern, re.sub(r"[\W_]+", " ", option.lower())):
                return option
    return options[-1]
