"""Statements remember past days an hour after their end. An entry that is in the ledger later still appears on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Developer
from billing import ledger, statements
from billing.periods import month_of
from tests.factories import make_developer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]
END = datetime(2026, 3, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@contextmanager
def uncommitted(developer: Developer, at: datetime) -> Iterator[None]:
    """Another process writes a charge, and commits at the end of the block."""
    is_written, may_commit = Event(), Event()

    def write() -> None:
        with transaction.atomic():
            ledger.post_entry(
                developer_id=developer.pk,
                key="late",
                kind="telephony",
                amount=Decimal("-0.04"),
                description="Call",
                at=at,
            )
            is_written.set()
            may_commit.wait(20)
        connection.close()

    writer = Thread(target=write)
    writer.start()
    assert is_written.wait(20)
    yield
    may_commit.set()
    writer.join(20)


def charges(developer_id: int, now: datetime) -> list[Decimal]:
    """March's, by day and together."""
    developer, march = Developer.objects.get(pk=developer_id), month_of(END)
    by_day = statements.daily_charges(developer, march, now)
    return [sum((amount for _, amount in by_day), Decimal(0)), statements.statement_of(developer, march, now).charges]


def test_an_entry_of_the_last_second_that_is_committed_when_its_day_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    developer = make_developer()
    ledger.post_entry(
        developer_id=developer.pk, key="first", kind="telephony", amount=Decimal(-1), description="Call", at=END - timedelta(days=1)
    )  # fmt: skip
    an_hour_later = END + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: an_hour_later - SECOND)
    with uncommitted(developer, END - SECOND / 2):
        assert charges(developer.pk, an_hour_later) == [Decimal(1), Decimal(1)]
    assert charges(developer.pk, an_hour_later + SECOND) == [Decimal("1.04"), Decimal("1.04")]
