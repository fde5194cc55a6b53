"""Phone numbers in E.164: "+", country code, subscriber number, at most 15 digits (ITU-T E.164)."""

import re

import phonenumbers

_SHAPE = re.compile(r"\+[1-9][0-9]{3,14}")


def is_e164(text: str) -> bool:
    """Whether a country could have this number, written without its trunk prefix ("+44 0…" is not E.164).

    Ranges reserved for fiction (+1 415 555 01xx) pass because the length is right. What may be called is decided by
    `bubblyphone.core.numbering.ranges`.
    """
    if not _SHAPE.fullmatch(text):
        return False
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return False
    is_canonical = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == text
    return is_canonical and phonenumbers.is_possible_number(number)
