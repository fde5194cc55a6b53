"""How long accounts keep webhook logs and events (accounts.extension_points.RETENTION_KINDS)."""

from collections.abc import Iterator
from datetime import datetime

from accounts.extension_points import RetentionKind
from webhooks.models import Event, WebhookDelivery

BATCH = 1000


def delete_deliveries(developer_id: int, before: datetime) -> Iterator[int]:
    """Whole log entries and events, with bodies and responses; what is still to be sent is kept."""
    old = {"developer_id": developer_id, "created_at__lt": before}
    finished = WebhookDelivery.objects.filter(**old).exclude(status=WebhookDelivery.Status.PENDING)
    for rows in (finished, Event.objects.filter(**old)):
        while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
            rows.model._default_manager.filter(pk__in=batch).delete()
            yield len(batch)


KIND = RetentionKind(
    "webhook_logs",
    "Webhook logs",
    "Events and tool requests we sent to your servers, with their bodies and responses. Events are never kept longer than 30 days.",
    delete_deliveries,
)
