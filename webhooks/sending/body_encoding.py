"""Webhook bodies as JSON whose bytes a receiver written in JavaScript can reproduce."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# The keys that JavaScript puts first, in numeric order: array indices (ECMA-262, OrdinaryOwnPropertyKeys).
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_ARRAY_INDEX = 2**32 - 2


def encode_body(payload: Mapping[str, Any]) -> str:
    """Compact JSON whose UTF-8 bytes equal JavaScript's `JSON.stringify(JSON.parse(body))`.

    Published sample code parses the body first and verifies the signature over `JSON.stringify(body)`. With any other bytes
    (`1.0`, keys in another order, escaped non-ASCII text) such receivers would reject a valid signature.

    Numbers become what a double holds (1.0 is `1`, 0.10 is `0.1`, not a number is `null`). Raises TypeError for a value
    that JSON does not have and ValueError for one that is nested too deeply.
    """
    try:
        return _encode(payload)
    except RecursionError as error:
        raise ValueError("The payload is nested too deeply.") from error


def _encode(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _encode_text(_pair_surrogates(value))
        case int() | float() | Decimal():
            return _encode_number(value)
        case Mapping():
            return "{" + ",".join(f"{_encode_text(key)}:{_encode(item)}" for key, item in _in_js_order(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encode_text(text: str) -> str:
    """Quoted; a surrogate without its partner stays an escape, since UTF-8 has no bytes for it."""
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _pair_surrogates(text: str) -> str:
    if not _LONE_SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _in_js_order(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    items: dict[str, Any] = {}
    for key, item in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"{type(key).__name__} cannot be a key in JSON")
        items[_pair_surrogates(key)] = item
    indices = sorted((key for key in items if _is_array_index(key)), key=int)
    return [(key, items.pop(key)) for key in indices] + list(items.items())


def _is_array_index(key: str) -> bool:
    return _ARRAY_INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_ARRAY_INDEX


def _encode_number(value: int | float | Decimal) -> str:
    """ECMA-262, Number::toString. Python's repr of a float has the same shortest digits; only their layout differs."""
    try:
        number = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(number):
        return "null"
    if number == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the first digit
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return minus + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{digits.rjust(len(digits) - point, '0')}"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{minus}{mantissa}e{point - 1:+d}"
