"""How long accounts keep webhook logs and events (accounts.extension_points.RETENTION_KINDS)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.extension_points import RetentionKind
from webhooks.models import Event, WebhookDelivery

BATCH = 1000


def delete_deliveries(developer_id: int, before: datetime, since: datetime | None = None) -> Iterator[int]:
    """Whole log entries and events, with bodies and responses; what is still to be sent is kept."""
    deliveries, events = WebhookDelivery.objects, Event.objects
    for batch in _older(deliveries.filter(developer_id=developer_id), before):
        deliveries.filter(pk__in=batch).exclude(status=WebhookDelivery.Status.PENDING).delete()
        yield len(batch)
    for batch in _older(events.filter(developer_id=developer_id), before):
        events.filter(pk__in=batch).delete()
        yield len(batch)


def _older(rows: QuerySet[Any], before: datetime) -> Iterator[list[int]]:
    """The IDs of rows created before that time, in batches. They have the lowest IDs, so later rows are not read."""
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at")[:BATCH]):
        if not (old := [pk for pk, created_at in page if created_at < before]):
            return
        yield old
        last = page[-1][0]


KIND = RetentionKind(
    "webhook_logs",
    "Webhook logs",
    "Events and tool requests we sent to your servers, with their bodies and responses. Events are never kept longer than 30 days.",
    delete_deliveries,
)
