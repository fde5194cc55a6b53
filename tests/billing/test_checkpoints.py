"""Balance checkpoints never change a balance and never miss an entry that commits late."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction

from billing import checkpoints, ledger
from billing.models import BalanceCheckpoint
from tests.calls.rows import make_account
from tests.factories import make_developer


def spend(developer_id: int, key: str, amount: str) -> None:
    ledger.post_entry(
        developer_id=developer_id, key=key, kind="adjustment", amount=-Decimal(amount), description="Test"
    )


@pytest.mark.django_db
def test_a_balance_starts_from_its_checkpoint() -> None:
    rich, poor, new = make_account("10"), make_account("1"), make_developer()
    ids = [rich.pk, poor.pk, new.pk]
    for turn in range(3):
        assert ledger.balances(ids) == {rich.pk: 10 - turn * Decimal("0.063"), poor.pk: 1, new.pk: 0}
        checkpoints.move()
        summed = dict(BalanceCheckpoint.objects.values_list("developer_id", "amount"))
        assert summed == {rich.pk: 10 - turn * Decimal("0.063"), poor.pk: 1}
        spend(rich.pk, f"a:{turn}", "0.063")
    BalanceCheckpoint.objects.filter(developer=poor).update(amount=7)
    assert ledger.balance(poor.pk) == 7  # the checkpoint is used as is; `ledger verify` would report it


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_late_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LOCK_TIMEOUT", "50ms")
    developer = make_account("10")
    written, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            spend(developer.pk, "late", "1")
            written.set()
            may_commit.wait(30)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(30)
    checkpoints.move()
    assert not BalanceCheckpoint.objects.exists()
    monkeypatch.undo()
    may_commit.set()
    writer.join(30)
    checkpoints.move()
    assert BalanceCheckpoint.objects.get().amount == ledger.balance(developer.pk) == 9
