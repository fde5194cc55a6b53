"""Whether the arguments that a model gives fit the parameters of the tool it calls.

Arguments that do not fit are not sent: the model gets the reason, and calls again or asks the caller.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from agents.providers.base import ToolSpec

# Not `pattern` and `format`: a developer's expression could hold up every call of the process.
_CHECKED = (
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "enum", "items", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "required",
)  # fmt: skip
_MESSAGE_CHARACTERS = 200


def argument_problem(tool: ToolSpec, arguments: object) -> str:
    """Why a tool cannot be called with these arguments, for the model to read; "" when it can."""
    error = best_match(_Validator(tool.parameters).iter_errors(arguments))
    if error is None:
        return ""
    alternatives = [error] if error.validator == "required" else list(error.context or ())
    if alternatives and all(choice.validator == "required" for choice in alternatives):
        missing = " or ".join(dict.fromkeys(", ".join(_missing(choice)) for choice in alternatives))
        return f"Missing arguments: {missing}. Ask for them if you do not know them."
    where = ".".join(map(str, error.absolute_path))
    return f"The arguments do not fit{f' at {where}' if where else ''}: {error.message[:_MESSAGE_CHARACTERS]}"


def _missing(error: ValidationError) -> list[str]:
    return [name for name in error.validator_value if name not in error.instance]


def _type(validator: Any, kinds: Any, instance: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    """Models write numbers and booleans as text, and the other way around; lists and objects are never anything else."""
    if not any(_is_type(instance, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield ValidationError(f"{instance!r} is not of type {kinds!r}")


def _is_type(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str | int | float)
        case "boolean":
            return isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false"))
        case "number" | "integer":
            number = _number(value)
            return number is not None and (kind == "number" or number.is_integer())
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "null":
            return value is None
    return False


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _properties(
    validator: Any, properties: Any, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """As JSON Schema has it, but that null stands for an optional argument that is left out."""
    if isinstance(instance, dict):
        required = schema.get("required", ())
        for name, inner in properties.items():
            if name in instance and (instance[name] is not None or name in required):
                yield from validator.descend(instance[name], inner, path=name, schema_path=name)


_standard = Draft202012Validator.VALIDATORS
_Validator: Any = validators.create(
    meta_schema=Draft202012Validator.META_SCHEMA,
    validators={
        **{name: _standard[name] for name in _CHECKED},
        "oneOf": _standard["anyOf"],
        "properties": _properties,
        "type": _type,
    },
    type_checker=Draft202012Validator.TYPE_CHECKER,
)
