"""Emails about money: each is sent once, and retried until the mail server accepts it."""

import logging
import smtplib
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from accounts import emails
from billing.models import Notice
from bubblyphone.core.background.jobs import enqueue

logger = logging.getLogger(__name__)
# A process that claimed a notice has this long to send it; then it is retried.
RETRY_AFTER = timedelta(minutes=10)
MAX_ATTEMPTS = 50


def send_once(*, developer_id: int, key: str, template: str, context: Mapping[str, str]) -> bool:
    """Queue `templates/emails/<template>.txt` in the caller's transaction. False if it was queued before."""
    notice, is_new = Notice.objects.get_or_create(
        key=key, defaults={"developer_id": developer_id, "template": template, "context": dict(context)}
    )
    if is_new:
        enqueue(send, notice.pk)
    return is_new


def send(notice_id: int, now: datetime | None = None) -> None:
    """The job: claim the notice, send it, and mark it as sent. If a process dies in between, the next attempt takes over."""
    now = now or timezone.now()
    due = Notice.objects.filter(pk=notice_id, next_attempt_at__lte=now)
    if not due.update(next_attempt_at=now + RETRY_AFTER, attempt_count=F("attempt_count") + 1):
        return
    notice = Notice.objects.select_related("developer").get(pk=notice_id)
    try:
        is_sent = emails.send(notice.developer, notice.template, notice.context)
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("Sending a notice failed: %s", type(error).__name__, extra={"notice_id": notice_id})
        if notice.attempt_count >= MAX_ATTEMPTS:
            Notice.objects.filter(pk=notice_id).update(next_attempt_at=None)
        return
    Notice.objects.filter(pk=notice_id).update(sent_at=now if is_sent else None, next_attempt_at=None)


def send_waiting(now: datetime | None = None) -> None:
    """Retries notices whose first attempt failed. Runs every minute."""
    now = now or timezone.now()
    for notice_id in Notice.objects.filter(next_attempt_at__lte=now).order_by("pk").values_list("pk", flat=True):
        send(notice_id, now)
