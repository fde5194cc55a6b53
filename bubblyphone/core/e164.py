"""Phone numbers in E.164: "+", country code, subscriber number, at most 15 digits (ITU-T E.164)."""

import re

import phonenumbers

_SHAPE = re.compile(r"\+[1-9][0-9]{6,14}")


def is_e164(text: str) -> bool:
    """Whether a country could have this number. Ranges kept for fiction (+1 415 555 01xx) pass: the length is right."""
    if not _SHAPE.fullmatch(text):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
