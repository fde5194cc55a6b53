"""Work after a call: claiming, retrying, giving up, charging.

A row says what to do and when (`AfterCallWork`). A job claims its row for longer than jobs may run, so if its worker dies, another
worker finds the row due and repeats the job; `resume_all` checks once a minute.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from billing import ledger
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.money import ZERO
from bubblyphone.core.monitoring import tracing
from calls.models import AfterCallWork, Analysis, Call, Recording, Transcription

logger = logging.getLogger(__name__)
# Longer than a job may run (Q_CLUSTER's timeout).
CLAIM = timedelta(seconds=150)
# Pauses after the first failure, the second, …; after the last one there are no more attempts.
PAUSES = (timedelta(seconds=30), timedelta(seconds=120), timedelta(seconds=240))
# The job functions by path, because their modules import this one.
JOBS: dict[type[AfterCallWork], str] = {
    Recording: "calls.after_call.recordings.fetch",
    Transcription: "calls.after_call.transcription.run",
    Analysis: "calls.after_call.analysis.run",
}

Work = TypeVar("Work", bound=AfterCallWork)


def start(work: AfterCallWork) -> None:
    """Queue the job of a row. Call it in the transaction that writes the row."""
    enqueue(import_string(JOBS[type(work)]), work.pk)


def resume_all() -> None:
    """Queue every row that is due: its pause is over, or its worker died."""
    for model in JOBS:
        for work in _due(model, timezone.now()).order_by("next_attempt_at")[:500]:
            start(work)


def _due(model: type[Work], now: datetime) -> QuerySet[Work]:
    """Paid work waits while the account is deactivated. Recordings do not, because the carrier keeps them for ten minutes."""
    due = model._default_manager.filter(status=AfterCallWork.Status.PENDING, next_attempt_at__lte=now)
    return due if model is Recording else due.filter(call__developer__is_active=True)


def claim(model: type[Work], pk: int) -> Work | None:
    """Claim a due row; None if there is nothing to do, or another job has it."""
    now = timezone.now()
    with transaction.atomic():
        due = _due(model, now).filter(pk=pk)
        work = due.select_for_update(skip_locked=True, of=("self",)).first()
        if work is not None:
            work.next_attempt_at = now + CLAIM
            work.attempt_count += 1
            work.save(update_fields=["next_attempt_at", "attempt_count"])
            tracing.about_call(work.call_id)
    return work


def is_last_attempt(work: AfterCallWork) -> bool:
    """Whether this is the last attempt of a claimed row."""
    return work.attempt_count > len(PAUSES)


def is_ours(work: AfterCallWork) -> bool:
    """Whether the claim still holds: if a job took too long, another one has done its work."""
    rows = type(work)._default_manager.select_for_update(of=("self",))
    return rows.filter(pk=work.pk, status=AfterCallWork.Status.PENDING, next_attempt_at=work.next_attempt_at).exists()


def go_on(work: AfterCallWork) -> None:
    """A step is done and more follow: earlier failures no longer count. Call it in the transaction that writes the step."""
    work.next_attempt_at, work.attempt_count = timezone.now(), 0
    work.save(update_fields=["next_attempt_at", "attempt_count"])
    start(work)


def failed(work: Work, reason: str, give_up: Callable[[Work], None], *, retryable: bool) -> None:
    """An attempt failed. `give_up` reports the end if there are no more attempts, in the transaction that writes it."""
    logger.warning("%s: %s", work, reason)
    with transaction.atomic():
        fresh = type(work)._default_manager.select_for_update(of=("self",)).get(pk=work.pk)
        if fresh.status != AfterCallWork.Status.PENDING or fresh.next_attempt_at != work.next_attempt_at:
            return
        fresh.reason = reason[:300]
        if retryable and not is_last_attempt(fresh):
            fresh.next_attempt_at = timezone.now() + PAUSES[fresh.attempt_count - 1]
            fresh.save(update_fields=["reason", "next_attempt_at"])
            return
        finish(fresh, AfterCallWork.Status.FAILED)
        give_up(fresh)


def finish(work: AfterCallWork, status: AfterCallWork.Status) -> None:
    """Nothing is left to do. The row is locked; all of it is saved."""
    work.status, work.next_attempt_at, work.finished_at = status, None, timezone.now()
    work.save()


def charge(call: Call, *, name: str, kind: str, amount: Decimal, what: str) -> Decimal:
    """Charge work for an ended call, once; returns its cost.

    The call's row is locked. Raises InsufficientFunds: then the result must not be released. Demo calls are free.
    """
    if call.demo or amount <= ZERO:
        return ZERO
    ledger.lock_developer(call.developer_id)
    ledger.require_balance(call.developer_id, amount)
    ledger.book_cost(
        developer_id=call.developer_id,
        key=f"call:{call.pk}:{name}",
        kind=kind,
        cost=amount,
        description=f"Call {call.pk}, {what}",
    )
    return amount
