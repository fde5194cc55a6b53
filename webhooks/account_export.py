"""Webhook logs, events and endpoints in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from typing import Any

from accounts.extension_points import ExportTable
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages
from webhooks.api.responses import ENDPOINT, EVENT, WEBHOOK_LOG
from webhooks.models import Event, WebhookDelivery, WebhookEndpoint


def _deliveries(developer: Developer) -> Iterator[dict[str, Any]]:
    for delivery in in_pages(WebhookDelivery.objects.filter(developer=developer).prefetch_related("attempts")):
        yield WEBHOOK_LOG.of(delivery)


def _events(developer: Developer) -> Iterator[dict[str, Any]]:
    for event in in_pages(Event.objects.filter(developer=developer)):
        yield EVENT.of(event)


def _endpoints(developer: Developer) -> Iterator[dict[str, Any]]:
    for endpoint in in_pages(WebhookEndpoint.objects.filter(developer=developer)):
        yield {**ENDPOINT.of(endpoint), "deleted_at": format_time(endpoint.deleted_at)}


TABLES = (
    ExportTable("webhook_endpoints", _endpoints),
    ExportTable("webhook_events", _events),
    ExportTable("webhook_logs", _deliveries),
)
