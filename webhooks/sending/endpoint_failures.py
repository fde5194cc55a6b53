"""Telling an account that its endpoint keeps failing, by email and by a webhook to its other endpoints: at most once a day, whatever
else fails. It is never disabled.
"""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts import emails
from bubblyphone.core.api.views import format_time
from bubblyphone.core.background.jobs import enqueue
from webhooks import outbox
from webhooks.models import WebhookDelivery, WebhookEndpoint

EVENT = "webhook_endpoint.failing"
QUIET = timedelta(days=1)


def lock_endpoints(developer_id: int) -> None:
    """Of two failures at once, the second waits to see that the first was emailed.

    Before the delivery's row is locked: changing an endpoint locks it and then its deliveries, too.
    """
    endpoints = WebhookEndpoint.objects.filter(developer_id=developer_id).order_by("pk")
    list(endpoints.select_for_update(no_key=True).values_list("pk"))


def tell_once_a_day(delivery: WebhookDelivery, endpoint_id: int) -> None:
    """In the transaction that records the failure, after `lock_endpoints`."""
    now = timezone.now()
    endpoints = WebhookEndpoint.objects.filter(developer_id=delivery.developer_id)
    if not endpoints.filter(failure_emailed_at__gt=now - QUIET).exists():
        endpoints.filter(pk=endpoint_id).update(failure_emailed_at=now)
        enqueue(send_email, delivery.pk)
        _publish(delivery, endpoint_id)


def _publish(delivery: WebhookDelivery, endpoint_id: int) -> None:
    others = [one for one in outbox.subscribers(delivery.developer_id, EVENT) if one.pk != endpoint_id]
    outbox.publish(
        developer_id=delivery.developer_id,
        subject=f"endpoint:{endpoint_id}",
        event_type=EVENT,
        payload={
            "event": EVENT,
            "webhook_endpoint_id": str(endpoint_id),
            "url": delivery.url,
            "failed_event": delivery.event_type,
            "timestamp": format_time(timezone.now()),
        },
        endpoints=others,
    )


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
