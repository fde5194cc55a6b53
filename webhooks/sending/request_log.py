"""Requests that a live call sends itself: logged next to the outbox, never resent automatically."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from webhooks.http.outbound_http import PostResult
from webhooks.models import WebhookDelivery
from webhooks.outbox import record_attempt


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request that a live call sends itself, outside the outbox: it is sent once, whatever happens."""

    developer_id: int
    signing_secret_id: int
    subject: str
    event_type: str
    webhook_id: str
    url: str
    body: str
    started_at: datetime
    # For a tool with its own URL, whose body is not one of our events.
    tool: str = ""
    method: str = ""


def begin_request(request: LoggedRequest) -> WebhookDelivery:
    """Record that a POST is about to be sent, so that it is in the log even if this process dies before the response.

    The dispatcher does not send it, because it has no next attempt.
    """
    return WebhookDelivery.objects.get_or_create(
        webhook_id=request.webhook_id,
        endpoint=None,
        defaults={
            "developer_id": request.developer_id,
            "signing_secret_id": request.signing_secret_id,
            "subject": request.subject,
            "event_type": request.event_type,
            "url": request.url,
            "body": request.body,
            "tool": request.tool,
            "method": request.method,
            "next_attempt_at": None,
            "created_at": request.started_at,
        },
    )[0]


def end_request(request: LoggedRequest, result: PostResult) -> None:
    """Record the result, once."""
    with transaction.atomic():
        delivery = begin_request(request)
        status = WebhookDelivery.Status.DELIVERED if result.is_success else WebhookDelivery.Status.FAILED
        unanswered = WebhookDelivery.objects.filter(pk=delivery.pk, attempt_count=0)
        if unanswered.update(status=status, attempt_count=1):
            record_attempt(delivery=delivery, number=1, result=result, started_at=request.started_at)


def lost_requests(before: datetime) -> list[WebhookDelivery]:
    """Requests from before that time whose process died before it could record the response; none of them is still running.

    Call it in a transaction: they are locked, and `end_request` waits.
    """
    pending = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING, next_attempt_at=None)
    return list(pending.filter(attempt_count=0, created_at__lt=before).select_for_update(skip_locked=True))


def give_up_request(delivery: WebhookDelivery, reason: str) -> None:
    """Complete a lost request, whose result will never be known."""
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status=WebhookDelivery.Status.FAILED, attempt_count=1)
    record_attempt(delivery=delivery, number=1, result=PostResult(None, "", 0, reason), started_at=delivery.created_at)
