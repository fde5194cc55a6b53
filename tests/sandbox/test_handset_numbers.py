"""Browser phones: every developer has their own number, however many developers there are."""

from concurrent.futures import ThreadPoolExecutor

import phonenumbers
import pytest
from django.db import connection

from accounts.models import Developer
from sandbox.exchange.inventory import BLOCKS
from sandbox.handset_numbers import NoHandsetNumberLeft, area_codes, handset_number
from sandbox.models import Handset


def make_developer(pk: int) -> Developer:
    return Developer.objects.create(pk=pk, email=f"handset-{pk}@example.com", name="Phone")


@pytest.mark.django_db
def test_numbers_are_unique_stored_and_permanent() -> None:
    ids = [1, 1001, 2001, 100, len(area_codes()) * 100 + 1, 7]
    developers = [make_developer(pk) for pk in ids]
    numbers = [handset_number(developer) for developer in developers]
    assert numbers[0] == "+19075550101"
    assert numbers[3] == "+18085550100"
    assert len(set(numbers)) == len(ids)
    assert [handset_number(developer) for developer in developers] == numbers
    assert sorted(Handset.objects.values_list("number", flat=True)) == sorted(numbers)


@pytest.mark.django_db
def test_when_all_numbers_are_taken_none_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.handset_numbers.PER_AREA", 1)
    monkeypatch.setattr("sandbox.handset_numbers.area_codes", lambda: ("907", "808"))
    assert {handset_number(make_developer(1)), handset_number(make_developer(3))} == {"+19075550100", "+18085550100"}
    with pytest.raises(NoHandsetNumberLeft):
        handset_number(make_developer(5))
    assert Handset.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_get_the_same_number() -> None:
    developers = [make_developer(pk) for pk in (3, 1003, 3 + len(area_codes()) * 100)]

    def ask(developer: Developer) -> str:
        try:
            return handset_number(developer)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        numbers = list(threads.map(ask, developers * 4))
    assert len(set(numbers)) == 3
    assert numbers[:3] == numbers[3:6] == numbers[9:]


def test_numbers_are_fictional_us_numbers_that_the_exchange_does_not_sell() -> None:
    assert len(area_codes()) > 250
    assert not {block.area_code for block in BLOCKS} & set(area_codes())
    for code in area_codes():
        assert phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{code}5550100")) == "US"
