"""The only writer of the ledger, and of metered costs, which take its place with billing off (`billing.billing_switch`).

Entries are never changed (a trigger sees to that); a mistake is put right by another entry. The balance is their sum.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Developer
from billing import billing_switch
from billing.extension_points import CREDIT_JOBS, ENTRY_WATCHERS, HOLDS
from billing.models import Booking, LedgerEntry, MeteredCost
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.database.prepared_queries import PreparedQuery
from bubblyphone.core.errors import InsufficientFunds
from bubblyphone.core.money import ZERO, format_money
from bubblyphone.core.redis import period_cache

# The latest checkpoint plus all later entries, in one statement, so that it does not matter when checkpoints move.
BALANCES = """
SELECT developer.id, COALESCE(checkpoint.amount, 0) + COALESCE(since.amount, 0)
FROM accounts_developer developer LEFT JOIN billing_balancecheckpoint checkpoint ON checkpoint.developer_id = developer.id
CROSS JOIN LATERAL (
    SELECT SUM(amount) AS amount FROM billing_ledgerentry
    WHERE developer_id = developer.id AND id > COALESCE(checkpoint.entry_id, 0)
) since
WHERE developer.id = ANY(%s)
"""


_LOCKED = PreparedQuery(
    lambda developer_id: (
        Developer.objects.select_for_update(of=("self",), no_key=True).only("is_active").filter(pk=developer_id)
    )
)
NO_END = Decimal("Infinity")  # available funds if nobody pays
Written = TypeVar("Written", bound=Booking)


class KeyReused(Exception):
    """The key already belongs to a different entry."""


@dataclass(frozen=True, slots=True)
class BalanceSummary:
    """An account's balance in USD, and the part of it that running calls and orders will need (`held`)."""

    balance: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        """The amount that can be spent."""
        return self.balance - self.held


@transaction.atomic
def post_entry(
    *, developer_id: int, key: str, kind: str, amount: Decimal, description: str, at: datetime | None = None
) -> LedgerEntry:
    """Write an entry: credits positive, charges negative.

    A repeat of the key returns the existing entry. `at` is the time of the event it is for, by default now. Raises KeyReused if the
    existing entry has another developer, kind or amount.
    """
    entry, is_new = _write(LedgerEntry, developer_id, key, kind, amount, description, at)
    if is_new and amount > ZERO:
        for job in CREDIT_JOBS:
            enqueue(job, developer_id)
    if is_new:
        for watch in ENTRY_WATCHERS:
            watch(developer_id)
    return entry


@transaction.atomic
def book_cost(
    *, developer_id: int, key: str, kind: str, cost: Decimal, description: str, at: datetime | None = None
) -> None:
    """Charge the cost of a call or number, a positive amount; with billing off, meter it.

    Otherwise like `post_entry`. A booking made before billing was turned on or off stays where it is, even if its job is repeated later.
    """
    other = MeteredCost if billing_switch.is_on() else LedgerEntry
    if other._default_manager.filter(key=key).exists():
        return
    if billing_switch.is_on():
        post_entry(developer_id=developer_id, key=key, kind=kind, amount=-cost, description=description, at=at)
    else:
        _write(MeteredCost, developer_id, key, kind, -cost, description, at)


@dataclass(frozen=True, slots=True)
class CostLine:
    """One of several costs that are booked together: a positive amount in USD."""

    key: str
    kind: str
    amount: Decimal
    description: str


def book_costs(*, developer_id: int, costs: Sequence[CostLine], at: datetime) -> None:
    """`book_cost` for several costs of one object, with as many statements as for one.

    Call it in a transaction that keeps the object's row locked, so that nobody else books these keys meanwhile.
    """
    book: type[Booking] = LedgerEntry if billing_switch.is_on() else MeteredCost
    other = MeteredCost if billing_switch.is_on() else LedgerEntry
    keys = [cost.key for cost in costs]
    elsewhere = set(other._default_manager.filter(key__in=keys).values_list("key", flat=True))
    existing = {entry.key: entry for entry in book._default_manager.filter(key__in=keys)}
    new = []
    for cost in costs:
        if cost.key in elsewhere:
            continue
        if cost.key in existing:
            _check_same(existing[cost.key], developer_id, cost.kind, -cost.amount)
        else:
            new.append(_entry(book, developer_id, cost, at))
    if not new:
        return
    book._default_manager.bulk_create(new)
    note_change(developer_id, at)
    if billing_switch.is_on():
        for watch in ENTRY_WATCHERS:
            watch(developer_id)


def _entry(book: type[Written], developer_id: int, cost: CostLine, at: datetime) -> Written:
    return book(
        developer_id=developer_id,
        key=cost.key,
        kind=cost.kind,
        amount=-cost.amount,
        description=cost.description[:200],
        created_at=at,
    )


def _check_same(entry: Booking, developer_id: int, kind: str, amount: Decimal) -> None:
    """Raises KeyReused."""
    if (entry.developer_id, entry.kind, entry.amount) != (developer_id, kind, amount):
        raise KeyReused(f"{entry.key} already exists with {entry.kind} {entry.amount}, not {kind} {amount}.")


def _write(
    book: type[Written],
    developer_id: int,
    key: str,
    kind: str,
    amount: Decimal,
    description: str,
    at: datetime | None,
) -> tuple[Written, bool]:
    """The booking, and whether it is new. Raises KeyReused."""
    values = {
        "developer_id": developer_id,
        "kind": kind,
        "amount": amount,
        "description": description[:200],
        "created_at": at or timezone.now(),
    }
    entry, is_new = book._default_manager.get_or_create(key=key, defaults=values)
    if not is_new:
        _check_same(entry, developer_id, kind, amount)
    if is_new:
        note_change(developer_id, entry.created_at)
    return entry, is_new


def note_change(developer_id: int, moment: datetime) -> None:
    """Note that something was written for the period of `moment`: if that may be over, the account's cached sums become invalid.

    Call it in the same transaction.
    """
    if moment <= timezone.now() - period_cache.LATE:
        Developer.objects.filter(pk=developer_id).update(sums_version=F("sums_version") + 1)


def balance(developer_id: int) -> Decimal:
    """A developer's balance, in USD."""
    return balances([developer_id]).get(developer_id, ZERO)


def balances(developer_ids: Iterable[int]) -> dict[int, Decimal]:
    """Balances by developer id, in USD."""
    with connection.cursor() as cursor:
        cursor.execute(BALANCES, [list(developer_ids)])
        return dict(cursor.fetchall())


def balance_summary(developer_id: int) -> BalanceSummary:
    """Balance and holds.

    An entry written between the two reads may count twice for a moment, but is never missed. With billing off, both are empty.
    """
    if not billing_switch.is_on():
        return BalanceSummary(balance=ZERO, held=ZERO)
    held = sum((hold.exact(developer_id) for hold in HOLDS), ZERO)
    return BalanceSummary(balance=balance(developer_id), held=held)


def available(developer_id: int) -> Decimal:
    """The amount that can be spent: the balance minus holds; unlimited if nobody pays."""
    return balance_summary(developer_id).available if billing_switch.is_on() else NO_END


def is_available(developer_id: int, amount: Decimal) -> bool:
    """Whether `available` is at least that amount.

    Exact holds take long to compute with many calls, and are only needed if the balance may not cover the largest possible ones.
    """
    if billing_switch.is_on():
        held = sum((hold.at_most(developer_id) for hold in HOLDS), ZERO)
        if balance(developer_id) - held >= amount:  # read after the holds, as in `balance_summary`
            return True
    return available(developer_id) >= amount


def funds(developer_ids: Iterable[int]) -> dict[int, Decimal]:
    """Funds of accounts for calls and orders, by developer id: their balances; unlimited if nobody pays."""
    return balances(developer_ids) if billing_switch.is_on() else dict.fromkeys(developer_ids, NO_END)


def lock_developer(developer_id: int) -> Developer:
    """Lock the account until the end of the transaction, to check the balance before spending from it. Only its `is_active` is read.

    `no_key` still lets other rows reference the developer, so that two transactions that have done so take this lock one after the other
    instead of deadlocking.
    """
    found = _LOCKED.fetch(developer_id)
    if not found:
        raise Developer.DoesNotExist
    return found[0]


def require_balance(developer_id: int, minimum: Decimal) -> None:
    """Raises InsufficientFunds if less than `minimum` is available."""
    if is_available(developer_id, minimum):
        return
    left = available(developer_id)
    if left < minimum:
        raise InsufficientFunds(
            f"Your balance is too low: ${format_money(left)} available, ${format_money(minimum)} required. Add credit and try again."
        )


def test_credit(*, developer_id: int, amount: Decimal, key: str) -> LedgerEntry:
    """Add credit without a payment; its entry says so. Raises KeyReused."""
    return post_entry(
        developer_id=developer_id,
        key=key,
        kind=LedgerEntry.Kind.TEST_CREDIT,
        amount=amount,
        description="Test credit",
    )
