"""Deleting an account: immediate for its owner, then step by step until calls have ended and numbers are released.

Ledger entries and calls with their costs are kept; whatever identifies the owner is removed.
"""

import logging

from django.db import transaction
from django.utils import timezone

from accounts import services
from accounts.extension_points import DELETION_STEPS
from accounts.models import ApiKey, Developer, MutedNotification
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import ApplicationError, Conflict, InvalidRequest

logger = logging.getLogger(__name__)


def close_account(*, developer: Developer, password: str, address: str) -> None:
    """Raises InvalidRequest for a wrong password, TooManyRequests as `services.sign_in`, Conflict for staff."""
    if developer.is_staff:
        raise Conflict("Staff accounts cannot be deleted here. Ask a superuser.")
    try:
        services.sign_in(email=developer.email, password=password, address=address)
    except services.WrongCredentials as error:
        raise InvalidRequest({"password": ["Wrong password."]}) from error
    with transaction.atomic():
        closed = Developer.objects.select_for_update().get(pk=developer.pk)
        services.close_all_sessions(developer=closed)
        ApiKey.objects.filter(developer=closed, revoked_at=None).update(revoked_at=timezone.now())
        ApiKey.objects.filter(developer=closed).update(label="Deleted")
        MutedNotification.objects.filter(developer=closed).delete()
        closed.refresh_from_db()
        closed.is_active = False
        closed.closed_at = timezone.now()
        closed.email = f"closed-{closed.pk}@closed.invalid"  # frees the address for a new account (RFC 2606)
        closed.name, closed.company_name = "Closed account", ""
        closed.set_unusable_password()
        closed.save()
        enqueue(finish, closed.pk)


def finish(developer_id: int) -> None:
    """Job: the steps of `accounts.extension_points.DELETION_STEPS`, phase by phase. `finish_all` retries steps that cannot be done yet."""
    for step in sorted(DELETION_STEPS, key=lambda step: step.phase):
        try:
            step.run(developer_id)
        except ApplicationError as error:
            logger.info("Account deletion is not finished yet: %s", error.message, extra={"account_id": developer_id})
            return
    Developer.objects.filter(pk=developer_id).update(closing_finished_at=timezone.now())


def finish_all() -> None:
    """Continue unfinished deletions; a scheduled job.

    One failed deletion does not block the others: raises ExceptionGroup at the end.
    """
    waiting = Developer.objects.filter(closed_at__isnull=False, closing_finished_at=None)
    failures = []
    for developer_id in waiting.order_by("pk").values_list("pk", flat=True):
        try:
            finish(developer_id)
        except Exception as error:
            logger.exception("Account deletion failed", extra={"account_id": developer_id})
            failures.append(error)
    if failures:
        raise ExceptionGroup("Some account deletions failed", failures)
