"""The cache for sums of past days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Developer
from billing import ledger
from billing.periods import is_past
from bubblyphone.core.redis import client as redis
from bubblyphone.core.redis import period_cache
from tests.factories import make_developer


@dataclass(frozen=True)
class Owner:
    pk: int
    sums_version: int = 0


SEVEN = Owner(7)


class Book:
    """Sums by day, and which days were requested."""

    def __init__(self) -> None:
        self.sums = {1: 10, 2: 20, 3: 30}
        self.requests: list[list[int]] = []

    def sum_up(self, days: list[int]) -> Mapping[int, int]:
        self.requests.append(days)
        return {day: self.sums[day] for day in days}

    def recall(self, *days: int, owner: period_cache.Owner = SEVEN) -> dict[int, int]:
        return period_cache.recall("book", owner, days, lambda day: day < 3, self.sum_up)


def test_past_days_are_summed_up_once(empty_redis: object) -> None:
    book = Book()
    assert book.recall(1, 2, 3) == {1: 10, 2: 20, 3: 30}
    book.sums = {1: -1, 2: -1, 3: 31}
    assert book.recall(1, 2, 3) == {1: 10, 2: 20, 3: 31}
    assert book.requests == [[1, 2, 3], [3]]


def test_owners_and_periods_have_separate_sums(empty_redis: object) -> None:
    book = Book()
    book.recall(1)
    assert book.recall(1, 2) == {1: 10, 2: 20}
    assert book.recall(2, owner=Owner(8)) == {2: 20}
    assert book.requests == [[1], [2], [2]]
    assert period_cache.recall("other", SEVEN, [1], lambda _: True, lambda _: {1: 5}) == {1: 5}


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "request_count"), [(timedelta(minutes=29), 1), (timedelta(minutes=31), 2)])
def test_a_late_entry_appears_immediately(age: timedelta, request_count: int, empty_redis: object) -> None:
    book, developer = Book(), make_developer()
    book.recall(1, owner=developer)
    ledger.post_entry(
        developer_id=developer.pk, key="call:1:late", kind="telephony", amount=Decimal(-1), description="Late",
        at=timezone.now() - age,
    )  # fmt: skip
    book.recall(1, owner=Developer.objects.get(pk=developer.pk))
    assert len(book.requests) == request_count


@pytest.mark.django_db
def test_saving_an_account_does_not_reset_the_version() -> None:
    developer = make_developer()
    ledger.note_change(developer.pk, timezone.now() - timedelta(days=1))
    developer.name = "Joan"
    developer.save()
    developer.refresh_from_db()
    assert (developer.name, developer.sums_version) == ("Joan", 1)


@pytest.fixture
def no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resets what a test learns about Redis."""
    monkeypatch.setattr(redis, "breaker", redis.Breaker())


def test_without_redis_everything_is_summed_up(no_breaker: None, settings: Any) -> None:
    owner = Owner(9)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    book = Book()
    assert [book.recall(1, 3, owner=owner) for _ in range(2)] == [{1: 10, 3: 30}] * 2
    assert book.requests == [[1, 3], [1, 3]]


def test_a_day_is_past_an_hour_after_its_end() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert not is_past(day.date(), day + timedelta(hours=25, seconds=-1))
    assert is_past(day.date(), day + timedelta(hours=25))
