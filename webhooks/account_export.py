"""Webhook logs, events and endpoints in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from typing import Any

from django.db.models import QuerySet

from accounts.extension_points import exported, owned
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from webhooks.api.responses import ENDPOINT, EVENT, WEBHOOK_LOG
from webhooks.models import Event, WebhookDelivery, WebhookEndpoint


def _endpoint(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {**ENDPOINT.of(endpoint), "deleted_at": format_time(endpoint.deleted_at)}


def _deliveries(developer: Developer) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(developer=developer).prefetch_related("attempts")


TABLES = (
    exported("webhook_endpoints", owned(WebhookEndpoint), _endpoint),
    exported("webhook_events", owned(Event), EVENT.of),
    exported("webhook_logs", _deliveries, WEBHOOK_LOG.of),
)
