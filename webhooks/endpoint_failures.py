"""Telling an account by email that its endpoint keeps failing: at most once a day, whatever else fails. It is never disabled."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts import emails
from bubblyphone.core.jobs import enqueue
from webhooks.models import WebhookDelivery, WebhookEndpoint

QUIET = timedelta(days=1)


def email_once_a_day(delivery: WebhookDelivery, endpoint_id: int) -> None:
    """In the transaction that records the failure. The account's endpoints are locked, so that of two failures one is told."""
    now = timezone.now()
    endpoints = WebhookEndpoint.objects.filter(developer_id=delivery.developer_id).order_by("pk").select_for_update()
    emailed = [endpoint.failure_emailed_at for endpoint in endpoints if endpoint.failure_emailed_at]
    if not any(at > now - QUIET for at in emailed):
        WebhookEndpoint.objects.filter(pk=endpoint_id).update(failure_emailed_at=now)
        enqueue(send_email, delivery.pk)


def send_email(delivery_id: int) -> None:
    """The job."""
    delivery = WebhookDelivery.objects.select_related("developer").get(pk=delivery_id)
    last = delivery.attempts.order_by("-number").first()
    context = {
        "url": delivery.url,
        "event_type": delivery.event_type,
        "attempts": delivery.attempt_count,
        "reason": (last and (last.error_message or f"HTTP {last.response_status}")) or "",
        "is_retried": delivery.status == WebhookDelivery.Status.PENDING,
        "link": f"{settings.PUBLIC_URL}/webhooks?status=failed",
    }
    emails.send(delivery.developer, "webhook_endpoint_failing", context)
