"""The kind of a phone number: short, costly or ordinary, judged by its digits. Fraudsters call costly ones.

Numbering plans come from `phonenumbers`. It calls a number of an unknown or fictional range invalid, although a carrier may
connect it; such a number is judged by the range it is nearest to.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

import phonenumbers
import regex
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberType, shortnumberinfo

# Not assigned to anyone: the built-in exchange and other test systems answer them (500 is a range of personal numbers).
TEST_NUMBERS = "+1500555"
# A number of at most this many digits that is not a subscriber's is a short number, whether or not `phonenumbers` knows it.
MAX_SHORT_DIGITS = 6
TOLL_FREE_COUNTRY_CODE = 800
NON_GEOGRAPHIC = "001"
COSTLY_TYPES = {
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER,
    PhoneNumberType.PAGER,
    PhoneNumberType.UAN,
}
COSTLY_RANGES = ("premium_rate", "shared_cost", "personal_number", "pager", "uan")
ORDINARY_RANGES = ("fixed_line", "mobile", "toll_free", "voip", "voicemail")
# North American pay-per-call services that `phonenumbers` counts as ordinary: 900 and 700 numbers, 976 as area code or exchange.
NORTH_AMERICAN_SERVICES = regex.compile(r"[79]00\d{7}|976\d{7}|\d{3}976\d{4}")


class RangeKind(StrEnum):
    """What kind of range a number is in; SHORT are emergency and short numbers."""

    SHORT = "short"
    COSTLY = "costly"
    ORDINARY = "ordinary"


def kind_of(e164: str) -> RangeKind:
    """The kind of a number that `bubblyphone.core.numbering.e164.is_e164` accepts."""
    number = phonenumbers.parse(e164)
    code = number.country_code or 0
    digits = phonenumbers.national_significant_number(number)
    if e164.startswith(TEST_NUMBERS):
        return RangeKind.ORDINARY
    regions = phonenumbers.region_codes_for_country_code(code)
    if NON_GEOGRAPHIC in regions:
        return RangeKind.ORDINARY if code == TOLL_FREE_COUNTRY_CODE else RangeKind.COSTLY
    if code == 1 and NORTH_AMERICAN_SERVICES.fullmatch(digits):
        return RangeKind.COSTLY
    if phonenumbers.is_valid_number(number):
        return RangeKind.COSTLY if phonenumbers.number_type(number) in COSTLY_TYPES else RangeKind.ORDINARY
    if len(digits) <= MAX_SHORT_DIGITS or any(_is_short(digits, region) for region in regions):
        return RangeKind.SHORT
    return _nearest_kind(digits, regions)


def _is_short(digits: str, region: str) -> bool:
    number = phonenumbers.PhoneNumber(
        country_code=phonenumbers.country_code_for_region(region), national_number=int(digits)
    )
    return shortnumberinfo.connects_to_emergency_number(
        digits, region
    ) or shortnumberinfo.is_valid_short_number_for_region(number, region)


def _nearest_kind(digits: str, regions: tuple[str, ...]) -> RangeKind:
    """The kind of the ranges that share the most leading digits with a number; costly if there are both kinds."""
    for length in range(len(digits), 0, -1):
        if _begins(digits[:length], regions, COSTLY_RANGES):
            return RangeKind.COSTLY
        if _begins(digits[:length], regions, ORDINARY_RANGES):
            return RangeKind.ORDINARY
    return RangeKind.COSTLY


def _begins(prefix: str, regions: tuple[str, ...], ranges: tuple[str, ...]) -> bool:
    """Whether numbers of any of these ranges start with these digits."""
    return any(pattern.fullmatch(prefix, partial=True) for region in regions for pattern in _patterns(region, ranges))


@lru_cache(maxsize=512)
def _patterns(region: str, ranges: tuple[str, ...]) -> tuple[regex.Pattern[str], ...]:
    return tuple(regex.compile(text) for text in _pattern_texts(PhoneMetadata.metadata_for_region(region), ranges))


def _pattern_texts(metadata: PhoneMetadata | None, ranges: tuple[str, ...]) -> Iterator[str]:
    for name in ranges:
        description: PhoneNumberDesc | None = getattr(metadata, name, None)
        if description is not None and description.national_number_pattern:
            yield description.national_number_pattern
