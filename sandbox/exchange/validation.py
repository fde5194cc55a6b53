"""Checks request bodies field by field, so that the exchange refuses the same mistakes as the carrier."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from sandbox.exchange import errors

E164 = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(frozen=True, slots=True)
class Field:
    """The values that a field accepts. `minimum` and `maximum` are lengths for strings and lists, values for numbers.

    `form` is one of "", "e164", "base64", "client_state" (base64 too), "url", "ws_url", "digits", "loop". `offered` is False
    for fields that Telnyx has and the exchange does not. `unoffered` lists values that Telnyx supports and the exchange does not.
    """

    kind: type[Any] = str
    required: bool = False
    choices: tuple[Any, ...] = ()
    unoffered: tuple[Any, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    form: str = ""
    fields: "dict[str, Field] | None" = None
    items: "Field | None" = None
    offered: bool = True


Schema = dict[str, Field]
NOT_OFFERED = Field(offered=False)


def validate(body: Any, schema: Schema, pointer: str = "") -> dict[str, Any]:
    """The body, unchanged, if it matches the schema. Raises ApiError for the first field that does not."""
    if not isinstance(body, dict):
        raise errors.invalid(pointer or "/", "The body must be a JSON object.")
    for name, rule in schema.items():
        if rule.required and body.get(name) in (None, ""):
            raise errors.missing(f"{pointer}/{name}")
    for name, value in body.items():
        rule_or_none = schema.get(name)
        if rule_or_none is None:
            raise errors.invalid(f"{pointer}/{name}", f"Unknown parameter {name}.")
        if value is not None:
            _check(value, rule_or_none, f"{pointer}/{name}")
    return body


def _check(value: Any, rule: Field, pointer: str) -> None:
    if not rule.offered:
        raise errors.not_offered(pointer)
    # In Python, but not in JSON, bool is an int.
    if not isinstance(value, rule.kind) or (isinstance(value, bool) and rule.kind is not bool):
        raise errors.invalid(pointer, f"The value must be of type {rule.kind.__name__}.")
    if rule.choices and value not in rule.choices:
        raise errors.invalid(pointer, f"The value must be one of {', '.join(map(str, rule.choices))}.")
    if value in rule.unoffered:
        raise errors.not_offered(f"{pointer}={value}")
    _check_size(value, rule, pointer)
    _check_form(value, rule.form, pointer)
    if rule.fields:
        validate(value, rule.fields, pointer)
    if rule.items is not None:
        items: list[Any] = value
        for index, item in enumerate(items):
            _check(item, rule.items, f"{pointer}/{index}")


def _check_size(value: Any, rule: Field, pointer: str) -> None:
    size = value if isinstance(value, int) else len(value) if isinstance(value, str | list) else 0
    if (rule.minimum is not None and size < rule.minimum) or (rule.maximum is not None and size > rule.maximum):
        raise errors.invalid(pointer, f"The value must be between {rule.minimum} and {rule.maximum}.")


def _check_form(value: Any, form: str, pointer: str) -> None:
    if form == "e164" and not E164.fullmatch(value):
        raise errors.invalid_number(pointer)
    if form == "client_state" and not is_base64(value):
        raise errors.invalid_client_state(pointer)
    if form == "base64" and not is_base64(value):
        raise errors.invalid(pointer, "The value must be base64.")
    if form == "url" and not re.match(r"https?://[^/\s]+", value):
        raise errors.invalid(pointer, "The value must be an http or https URL.")
    if form == "ws_url" and not re.match(r"wss?://[^/\s]+", value):
        raise errors.invalid(pointer, "The value must be a ws or wss URL.")
    if form == "loop" and not (value == "infinity" or (isinstance(value, int) and value > 0)):
        raise errors.invalid(pointer, 'The value must be a whole number from 1, or "infinity".')
    if form == "digits" and not re.fullmatch(r"[0-9A-D*#wW]+", value):
        raise errors.invalid(pointer, "Digits are 0-9, A-D, *, #, w and W.")


def is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
