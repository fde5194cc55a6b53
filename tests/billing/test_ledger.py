"""The ledger: one writer, append-only, exact."""

import threading
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Developer
from billing import ledger
from billing.models import LedgerEntry
from bubblyphone.core.errors import InsufficientFunds

AMOUNTS = st.decimals(min_value="-1000", max_value="1000", places=6)


def make_developer(email: str = "money@example.test") -> Developer:
    return Developer.objects.create_user(email, name="Money")


def post(developer: Developer, key: str, amount: str, kind: str = "adjustment") -> LedgerEntry:
    return ledger.post_entry(developer_id=developer.pk, key=key, kind=kind, amount=Decimal(amount), description="Test")


@pytest.mark.django_db
def test_a_balance_is_the_sum_of_the_developer_s_entries() -> None:
    developer, other = make_developer(), make_developer("other@example.test")
    assert ledger.balance(developer.pk) == 0
    post(developer, "a", "25")
    post(developer, "b", "-0.063")
    post(other, "c", "7")
    assert ledger.balance(developer.pk) == Decimal("24.937")


@pytest.mark.django_db
def test_repeating_an_entry_returns_the_first_one() -> None:
    developer = make_developer()
    first = post(developer, "call:1:model", "-0.063")
    assert post(developer, "call:1:model", "-0.063000").pk == first.pk
    assert ledger.balance(developer.pk) == Decimal("-0.063")


@pytest.mark.django_db
@pytest.mark.parametrize(("amount", "kind"), [("-0.064", "adjustment"), ("-0.063", "telephony")])
def test_a_key_cannot_be_used_for_a_different_entry(amount: str, kind: str) -> None:
    developer = make_developer()
    post(developer, "call:1:model", "-0.063")
    with pytest.raises(ledger.KeyReused):
        post(developer, "call:1:model", amount, kind)
    assert ledger.balance(developer.pk) == Decimal("-0.063")


@pytest.mark.django_db
def test_a_key_cannot_be_used_by_two_developers() -> None:
    post(make_developer(), "same", "1")
    with pytest.raises(ledger.KeyReused):
        post(make_developer("other@example.test"), "same", "1")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_ledgerentry SET amount = 1000",
        "UPDATE billing_ledgerentry SET description = 'x'",
        "DELETE FROM billing_ledgerentry",
        "TRUNCATE billing_ledgerentry",
    ],
)
def test_the_database_refuses_every_change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry ENABLE TRIGGER ledger_is_never_emptied")
        post(make_developer(), "kept", "5")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
    assert LedgerEntry.objects.get(key="kept").amount == 5


@pytest.mark.django_db
def test_minimum_balance() -> None:
    developer = make_developer()
    post(developer, "a", "0.499999")
    with pytest.raises(InsufficientFunds) as refusal:
        ledger.require_balance(developer.pk, Decimal("0.50"))
    assert refusal.value.status == 402
    assert (
        refusal.value.message
        == "Your balance is too low: $0.499999 available, $0.50 required. Add credit and try again."
    )
    post(developer, "b", "0.000001")
    ledger.require_balance(developer.pk, Decimal("0.50"))


@pytest.mark.django_db
def test_test_credit_is_given_once() -> None:
    developer = make_developer()
    for _ in range(2):
        entry = ledger.test_credit(developer_id=developer.pk, amount=Decimal("25"), key="demo:credit")
    assert (entry.kind, entry.description, ledger.balance(developer.pk)) == ("test_credit", "Test credit", 25)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), AMOUNTS), max_size=12))
def test_balance_after_any_postings_and_repeats(postings: list[tuple[int, Decimal]]) -> None:
    with transaction.atomic():
        developer = make_developer()
        expected: dict[int, Decimal] = {}
        for number, amount in postings:
            try:
                post(developer, f"random:{number}", str(amount))
            except ledger.KeyReused:
                assert expected[number] != amount
            expected.setdefault(number, amount)
        assert ledger.balance(developer.pk) == sum(expected.values())
        transaction.set_rollback(True)


def in_threads(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """Run `work(0…count-1)` concurrently. Returns the exceptions."""
    gate, raised = threading.Barrier(count), []

    def run(index: int) -> None:
        try:
            gate.wait(10)
            work(index)
        except Exception as error:  # noqa: BLE001
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


@pytest.mark.django_db(transaction=True)
def test_concurrent_posts_of_one_entry_write_it_once() -> None:
    developer = make_developer()
    assert in_threads(6, lambda _: post(developer, "call:9:telephony", "-0.05") and None) == []
    assert ledger.balance(developer.pk) == Decimal("-0.05")


@pytest.mark.django_db(transaction=True)
def test_the_lock_lets_only_one_spend_the_last_money() -> None:
    developer = make_developer()
    post(developer, "a", "6")

    def spend(index: int) -> None:
        with transaction.atomic():
            # First write a row that references the developer, as calls and deliveries do. This must not deadlock.
            post(developer, f"free:{index}", "0")
            ledger.lock_developer(developer.pk)
            ledger.require_balance(developer.pk, Decimal(6))
            post(developer, f"spent:{index}", "-6")

    raised = in_threads(5, spend)
    assert [type(error) for error in raised] == [InsufficientFunds] * 4
    assert ledger.balance(developer.pk) == 0
