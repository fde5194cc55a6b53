"""Webhook logs: how long accounts keep them, and their part of an export (accounts.extension_points)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from accounts.extension_points import ExportTable, RetentionKind
from accounts.models import Developer
from bubblyphone.core.api import format_time
from bubblyphone.core.zip_stream import in_pages
from webhooks.api.shapes import ENDPOINT, EVENT, WEBHOOK_LOG
from webhooks.models import Event, WebhookDelivery, WebhookEndpoint

BATCH = 1000


def delete_deliveries(developer_id: int, before: datetime) -> Iterator[int]:
    """Whole log entries and events, with bodies and responses; what is still to be sent is kept."""
    old = {"developer_id": developer_id, "created_at__lt": before}
    finished = WebhookDelivery.objects.filter(**old).exclude(status=WebhookDelivery.Status.PENDING)
    for rows in (finished, Event.objects.filter(**old)):
        while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
            rows.model._default_manager.filter(pk__in=batch).delete()
            yield len(batch)


def _deliveries(developer: Developer) -> Iterator[dict[str, Any]]:
    for delivery in in_pages(WebhookDelivery.objects.filter(developer=developer).prefetch_related("attempts")):
        yield WEBHOOK_LOG.of(delivery)


def _events(developer: Developer) -> Iterator[dict[str, Any]]:
    for event in in_pages(Event.objects.filter(developer=developer)):
        yield EVENT.of(event)


def _endpoints(developer: Developer) -> Iterator[dict[str, Any]]:
    for endpoint in in_pages(WebhookEndpoint.objects.filter(developer=developer)):
        yield {**ENDPOINT.of(endpoint), "deleted_at": format_time(endpoint.deleted_at)}


KIND = RetentionKind(
    "webhook_logs",
    "Webhook logs",
    "Events and tool requests we sent to your servers, with their bodies and responses. Events are never kept longer than 30 days.",
    delete_deliveries,
)
TABLES = (
    ExportTable("webhook_endpoints", _endpoints),
    ExportTable("webhook_events", _events),
    ExportTable("webhook_logs", _deliveries),
)
