"""Proof that the ledger is right: `manage.py ledger verify`, and every night by schedule.

Each check of settings.LEDGER_CHECKS gives a line for every fault that it finds. They read one and the same state of the database.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from billing import ledger
from billing.models import Adjustment, LedgerEntry
from bubblyphone.core.money import ZERO, format_money

logger = logging.getLogger(__name__)
Kind = LedgerEntry.Kind
CREDITS = {Kind.TOP_UP, Kind.TEST_CREDIT}
CALL_KINDS = {Kind.TELEPHONY, Kind.MODEL, Kind.TRANSCRIPTION, Kind.ANALYSIS}
NUMBER_KINDS = {Kind.NUMBER_SETUP, Kind.NUMBER_MONTH}
TRIGGERS = {"ledger_rows_stay", "ledger_is_never_emptied"}


class LedgerWrong(Exception):
    """The nightly check has found faults."""


def find_problems() -> list[str]:
    """Every fault, in the order of the checks; empty when all is right."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:  # later it cannot be set any more
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        checks: list[Callable[[], Iterator[str]]] = [import_string(path) for path in settings.LEDGER_CHECKS]
        return [problem for check in checks for problem in check()]


def verify_nightly() -> None:
    """The scheduled job: what is wrong is logged as an error, and the job fails so that staff see it in the admin."""
    problems = find_problems()
    for problem in problems:
        logger.error("The ledger is wrong: %s", problem)
    if problems:
        raise LedgerWrong(f"The ledger has {len(problems)} faults; see the log.")


def check_entries() -> Iterator[str]:
    """Each entry by itself, the protection of the table, and each balance against a sum made here."""
    yield from _check_triggers()
    sums: dict[int, Decimal] = defaultdict(Decimal)
    seen: set[str] = set()
    for entry in LedgerEntry.objects.order_by("pk").iterator():
        sums[entry.developer_id] += entry.amount
        if entry.key in seen:
            yield f"{entry.key}: there is more than one entry of this key"
        seen.add(entry.key)
        if fault := _fault_of(entry):
            yield f"{entry.key}: {fault}"
    for developer_id, total in sums.items():
        if (balance := ledger.balance(developer_id)) != total:
            yield f"developer {developer_id}: the balance is {format_money(balance)}, the entries come to {format_money(total)}"


def _fault_of(entry: LedgerEntry) -> str:
    family = entry.key.partition(":")[0]
    if entry.kind in CREDITS and entry.amount <= ZERO:
        return f"a {entry.kind} takes {format_money(-entry.amount)}"
    if entry.kind in CALL_KINDS | NUMBER_KINDS and entry.amount >= ZERO:
        return f"a charge for {entry.kind} gives {format_money(entry.amount)}"
    if (entry.kind in CALL_KINDS) != (family == "call"):
        return f"{entry.kind} does not fit the key"
    if entry.kind in NUMBER_KINDS and family not in ("number", "purchase"):
        return f"{entry.kind} does not fit the key"
    return ""


def _check_triggers() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'billing_ledgerentry'::regclass AND tgenabled IN ('O', 'A')"
        )
        for name in sorted(TRIGGERS - {row[0] for row in cursor.fetchall()}):
            yield f"the ledger is not protected: its trigger {name} is missing or switched off"


def check_adjustments() -> Iterator[str]:
    """Each adjustment has its entry, and each such entry its reason."""
    entries = {
        entry.key: (entry.developer_id, entry.amount) for entry in LedgerEntry.objects.filter(kind=Kind.ADJUSTMENT)
    }
    for adjustment in Adjustment.objects.order_by("pk").iterator():
        key = f"adjustment:{adjustment.pk}"
        if entries.pop(key, None) != (adjustment.developer_id, adjustment.amount):
            yield f"{key}: the adjustment of {format_money(adjustment.amount)} is not in the ledger as it was made"
    for key in entries:
        yield f"{key}: an adjustment without a reason"
