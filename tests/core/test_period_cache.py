"""What is remembered of days that are over."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from billing.periods import is_past
from bubblyphone.core import period_cache


class Book:
    """Sums by day, and which days were asked for."""

    def __init__(self) -> None:
        self.sums = {1: 10, 2: 20, 3: 30}
        self.asked: list[list[int]] = []

    def sum_up(self, days: list[int]) -> Mapping[int, int]:
        self.asked.append(days)
        return {day: self.sums[day] for day in days}

    def recall(self, *days: int, owner: int = 7) -> dict[int, int]:
        return period_cache.recall("book", owner, days, lambda day: day < 3, self.sum_up)


def test_what_is_over_is_summed_up_once(empty_redis: object) -> None:
    book = Book()
    assert book.recall(1, 2, 3) == {1: 10, 2: 20, 3: 30}
    book.sums = {1: -1, 2: -1, 3: 31}
    assert book.recall(1, 2, 3) == {1: 10, 2: 20, 3: 31}
    assert book.asked == [[1, 2, 3], [3]]


def test_owners_and_periods_have_sums_of_their_own(empty_redis: object) -> None:
    book = Book()
    book.recall(1)
    assert book.recall(1, 2) == {1: 10, 2: 20}
    assert book.recall(2, owner=8) == {2: 20}
    assert book.asked == [[1], [2], [2]]
    assert period_cache.recall("other", 7, [1], lambda _: True, lambda _: {1: 5}) == {1: 5}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("age", "asked"), [(timedelta(minutes=59), 1), (timedelta(minutes=61), 2)])
def test_what_is_written_late_is_seen(age: timedelta, asked: int, empty_redis: object) -> None:
    book = Book()
    book.recall(1)
    period_cache.has_changed(7, timezone.now() - age)
    book.recall(1)
    assert len(book.asked) == asked


def test_a_day_is_over_an_hour_after_its_end() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert not is_past(day.date(), day + timedelta(hours=25, seconds=-1))
    assert is_past(day.date(), day + timedelta(hours=25))
