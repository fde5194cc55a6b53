"""Proof that the ledger is right: `manage.py ledger verify`, and every night by schedule.

Each check of `billing.extension_points.LEDGER_CHECKS` yields a line for every fault. All read the same snapshot of the database.
"""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone

from billing import ledger
from billing.extension_points import LEDGER_CHECKS
from billing.models import CALL_KINDS, NUMBER_KINDS, Adjustment, LedgerCheck, LedgerEntry
from bubblyphone.core.database.snapshots import one_state
from bubblyphone.core.money import ZERO, format_money

logger = logging.getLogger(__name__)
Kind = LedgerEntry.Kind
CREDITS = {Kind.TOP_UP, Kind.TEST_CREDIT}
# The amount has the wrong sign for a credit or charge, or the kind does not match the key.
ODD = (
    Q(kind__in=CREDITS, amount__lte=ZERO)
    | Q(kind__in=CALL_KINDS + NUMBER_KINDS, amount__gte=ZERO)
    | (Q(kind__in=CALL_KINDS) ^ Q(key__startswith="call:"))
    | (Q(kind__in=NUMBER_KINDS) ^ Q(key__startswith="number:"))
)
SHOWN_PROBLEMS = 20
KEPT = timedelta(days=90)
TRIGGERS = {"ledger_rows_stay", "ledger_is_never_emptied"}


class LedgerWrong(Exception):
    """The nightly check found problems."""


def find_problems() -> list[str]:
    """All problems, in the order of the checks; empty if everything is correct."""
    with one_state():
        return [problem for check in LEDGER_CHECKS for problem in check()]


def check_and_note() -> list[str]:
    """All problems. Time and result of the check are stored for the status page and the metrics."""
    began = time.monotonic()
    problems = find_problems()
    LedgerCheck.objects.create(
        seconds=time.monotonic() - began,
        problem_count=len(problems),
        first_problems="\n".join(problems[:SHOWN_PROBLEMS]),
    )
    LedgerCheck.objects.filter(finished_at__lt=timezone.now() - KEPT).delete()
    return problems


def verify_nightly() -> None:
    """The scheduled job: problems are logged as errors, and the job fails so that staff see it in the admin."""
    problems = check_and_note()
    for problem in problems:
        logger.error("Ledger check failed: %s", problem)
    if problems:
        raise LedgerWrong(f"The ledger check found {len(problems)} problems. See the log.")


def check_entries() -> Iterator[str]:
    """Checks each entry on its own, and the protection of the table. The database scans the entries, of which there may be millions."""
    yield from _check_triggers()
    repeated = LedgerEntry.objects.order_by().values("key").annotate(Count("pk")).filter(pk__count__gt=1)
    for key in repeated.values_list("key", flat=True):
        yield f"{key}: more than one entry has this key"
    for entry in LedgerEntry.objects.filter(ODD).order_by("pk").iterator():
        yield f"{entry.key}: {_fault_of(entry)}"


def check_balances() -> Iterator[str]:
    """Compares each balance, which relies on a checkpoint, with the sum of all entries."""
    sums = LedgerEntry.objects.order_by("developer_id").values_list("developer_id").annotate(Sum("amount"))
    totals = dict(sums)
    for developer_id, balance in ledger.balances(totals).items():
        if balance != (total := totals[developer_id]):
            yield f"developer {developer_id}: the balance is {format_money(balance)}, but the entries add up to {format_money(total)}"


def _fault_of(entry: LedgerEntry) -> str:
    """The problem with an ODD entry."""
    if entry.kind in CREDITS and entry.amount <= ZERO:
        return f"a {entry.kind} entry removes {format_money(-entry.amount)}"
    if entry.kind in CALL_KINDS + NUMBER_KINDS and entry.amount >= ZERO:
        return f"a charge for {entry.kind} adds {format_money(entry.amount)}"
    return f"{entry.kind} does not fit the key"


def _check_triggers() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'billing_ledgerentry'::regclass AND tgenabled IN ('O', 'A')"
        )
        for name in sorted(TRIGGERS - {row[0] for row in cursor.fetchall()}):
            yield f"the ledger is not protected: its trigger {name} is missing or disabled"


def check_adjustments() -> Iterator[str]:
    """Each adjustment has its entry, and each such entry has a reason."""
    entries = {
        entry.key: (entry.developer_id, entry.amount) for entry in LedgerEntry.objects.filter(kind=Kind.ADJUSTMENT)
    }
    for adjustment in Adjustment.objects.order_by("pk").iterator():
        key = f"adjustment:{adjustment.pk}"
        if entries.pop(key, None) != (adjustment.developer_id, adjustment.amount):
            yield f"{key}: no matching ledger entry for the adjustment of {format_money(adjustment.amount)}"
    for key in entries:
        yield f"{key}: an adjustment without a reason"
