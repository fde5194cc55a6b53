"""Instruments of the ledger: what its last check found."""

from billing.models import LedgerCheck
from bubblyphone.core.monitoring.metrics import Sampled, Samples


def last_check() -> LedgerCheck | None:
    return LedgerCheck.objects.order_by("-finished_at").first()


def _problems() -> Samples:
    check = last_check()
    return [((), check.problem_count)] if check else []


def _checked_at() -> Samples:
    check = last_check()
    return [((), check.finished_at.timestamp())] if check else []


Sampled("ledger_problems", "Problems found by the last check of the ledger.", sample=_problems)
Sampled("ledger_checked_timestamp_seconds", "When the ledger was last checked, in Unix time.", sample=_checked_at)
