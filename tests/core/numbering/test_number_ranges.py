"""Which numbers are short or expensive, tested with the example numbers of every numbering plan."""

from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType, shortnumberinfo

from bubblyphone.core.numbering.e164 import is_e164
from bubblyphone.core.numbering.ranges import RangeKind, kind_of

COSTLY = ("PREMIUM_RATE", "SHARED_COST", "PERSONAL_NUMBER", "PAGER", "UAN")
ORDINARY = ("FIXED_LINE", "MOBILE", "FIXED_LINE_OR_MOBILE", "TOLL_FREE", "VOIP")


def examples(names: tuple[str, ...]) -> Iterator[str]:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for name in names:
            example = phonenumbers.example_number_for_type(region, getattr(PhoneNumberType, name))
            if example is not None:
                yield phonenumbers.format_number(example, PhoneNumberFormat.E164)


def test_the_example_numbers_of_every_region_are_classified_correctly() -> None:
    costly, ordinary = list(examples(COSTLY)), list(examples(ORDINARY))
    assert (len(costly) > 250, len(ordinary) > 700) == (True, True)
    assert [number for number in (*costly, *ordinary) if not is_e164(number)] == []
    assert [number for number in costly if kind_of(number) != RangeKind.COSTLY] == []
    assert [number for number in ordinary if kind_of(number) != RangeKind.ORDINARY] == []


def test_networks_without_a_country_are_expensive_but_international_toll_free_is_not() -> None:
    kinds = {}
    for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS:
        example = phonenumbers.example_number_for_non_geo_entity(code)
        assert example is not None
        kinds[code] = kind_of(phonenumbers.format_number(example, PhoneNumberFormat.E164))
    assert kinds.pop(800) == RangeKind.ORDINARY
    assert set(kinds) >= {808, 870, 878, 881, 882, 883, 888, 979}
    assert set(kinds.values()) == {RangeKind.COSTLY}


def test_no_region_s_short_numbers_can_be_dialed_with_the_country_code() -> None:
    """They are not E.164 numbers, or classified as short. A few are also complete subscriber numbers, which are then called instead."""
    checked = 0
    for region in sorted(shortnumberinfo.SUPPORTED_SHORT_REGIONS):
        code = phonenumbers.country_code_for_region(region)
        metadata = phonenumbers.PhoneMetadata.short_metadata_for_region(region)
        for name in ("emergency", "short_code", "toll_free", "premium_rate", "standard_rate"):
            description = getattr(metadata, name)
            number = f"+{code}{description.example_number if description else ''}"
            if is_e164(number) and not phonenumbers.is_valid_number(phonenumbers.parse(number)):
                assert (number, kind_of(number)) == (number, RangeKind.SHORT)
                checked += 1
    assert checked > 15


@pytest.mark.parametrize(
    "number",
    [
        "+49112",  # Germany's emergency number after its country code, like all of these
        "+49110",
        "+49116117",
        "+4499912345",  # digits after 999 do not matter
        "+19115551234",
        "+431447",
        "+39112",
    ],
)
def test_short_numbers_after_a_country_code(number: str) -> None:
    assert kind_of(number) == RangeKind.SHORT


@pytest.mark.parametrize(
    "number",
    [
        "+19005550100",
        "+19765550100",  # 976 as area code,
        "+12129765555",  # and as exchange code, which `phonenumbers` counts as fixed line
        "+17005554141",
        "+15225551234",
        "+449098790000",
        "+4490123456",  # too short for its range, but still in it
        "+499001234567",
        "+33899123456",
        "+447012345678",
        "+447640123456",
        "+8821612345678",
        "+881612345678",
        "+870773111632",
    ],
)
def test_expensive_numbers(number: str) -> None:
    assert kind_of(number) == RangeKind.COSTLY


@pytest.mark.parametrize(
    "number",
    [
        "+14155550100",
        "+14155940554",
        "+12025551234",
        "+15551234567",  # 555 is not an area code
        "+15559876543",
        "+15005550001",  # the exchange's test numbers are in a range for personal numbers
        "+15005550009",
        "+15005550011",
        "+12425550100",
        "+447700900123",  # reserved for fiction, not a valid number
        "+442079460123",
        "+61491570006",
        "+33199000000",
        "+33639980000",
        "+353209120123",
        "+18005550199",
        "+4611234567",  # starts like 112
    ],
)
def test_ordinary_and_fictional_numbers(number: str) -> None:
    assert (is_e164(number), kind_of(number)) == (True, RangeKind.ORDINARY)


@pytest.mark.parametrize(
    "number",
    [
        "+119005550100",  # the trunk prefix 1 after the country code
        "+4409098790000",
        "+4402079460000",
        "+8201012345678",
        "+810312345678",
        "+911",
        "+112",
        "112",
        "+99912345678",  # this country code does not exist
        "+2100000000",
        "+1415555010",
        "+1 415 555 0100",
        "+14155550100\n",
        "+١٤١٥٥٥٥٠١٠٠",
    ],
)
def test_invalid_e164_numbers(number: str) -> None:
    assert not is_e164(number)
