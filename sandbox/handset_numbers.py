"""The number of each developer's browser phone at the built-in exchange."""

from collections.abc import Iterator
from functools import cache

import phonenumbers
from django.db import IntegrityError, transaction

from accounts.models import Developer
from sandbox.exchange.inventory import BLOCKS
from sandbox.models import Handset

# NANPA reserves 555-0100 to 555-0199 in every area code for fiction. These area codes come first.
FIRST_AREA_CODES = ("907", "808", "503", "505", "602", "615", "801", "704", "208", "307")
PER_AREA = 100


class NoHandsetNumberLeft(Exception):
    """Every number of the range belongs to a developer; there are more than 25,000."""


def handset_number(developer: Developer) -> str:
    """In E.164. Assigned at the first request, permanent, and unique. Raises NoHandsetNumberLeft."""
    while True:
        handset = Handset.objects.filter(developer=developer).first()
        if handset is not None:
            return handset.number
        try:
            with transaction.atomic():
                return Handset.objects.create(developer=developer, number=_free_number(developer.pk)).number
        except IntegrityError:
            continue  # a concurrent request took this number, or assigned one to this developer


def unplug_handset(developer_id: int) -> None:
    """A step of account deletion: releases the phone's number for another account."""
    Handset.objects.filter(developer_id=developer_id).delete()


def _free_number(start: int) -> str:
    """The first unassigned number, starting at position `start`."""
    capacity = len(area_codes()) * PER_AREA
    taken = set(Handset.objects.values_list("number", flat=True))
    for place in range(start, start + capacity):
        area, ending = divmod(place % capacity, PER_AREA)
        number = f"+1{area_codes()[area]}55501{ending:02d}"
        if number not in taken:
            return number
    raise NoHandsetNumberLeft


@cache
def area_codes() -> tuple[str, ...]:
    """US area codes in which the exchange sells no numbers."""
    sold = {block.area_code for block in BLOCKS}
    return tuple(code for code in dict.fromkeys((*FIRST_AREA_CODES, *_geographic_area_codes())) if code not in sold)


def _geographic_area_codes() -> Iterator[str]:
    for code in range(201, 990):
        number = phonenumbers.PhoneNumber(country_code=1, national_number=code * 10_000_000 + 5_550_100)
        is_geographic = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
        if is_geographic and phonenumbers.region_code_for_number(number) == "US":
            yield str(code)
