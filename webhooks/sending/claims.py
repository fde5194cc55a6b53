"""Chooses the deliveries that a process sends next, and claims them with a lease in the database.

When a process is killed, its leases expire and another process sends the deliveries.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone

from bubblyphone.core.database.prepared_queries import IsOneOf, PreparedQuery
from webhooks.models import WebhookDelivery

# One statement, because it runs very often. Both of its SELECTs read the rows as they were before its UPDATE, without the new leases.
_CLAIM = """
WITH due AS (
    SELECT id, next_attempt_at FROM webhooks_webhookdelivery
    WHERE status = 'pending' AND next_attempt_at <= %(now)s AND url <> ALL (%(busy_urls)s::text[])
    ORDER BY next_attempt_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE webhooks_webhookdelivery SET next_attempt_at = %(leased_until)s FROM due
    WHERE webhooks_webhookdelivery.id = due.id
)
SELECT
    (SELECT array_agg(id ORDER BY next_attempt_at, id) FROM due),
    (SELECT min(next_attempt_at) FROM webhooks_webhookdelivery WHERE status = 'pending' AND next_attempt_at > %(now)s)
"""
_CLAIMED = PreparedQuery(
    lambda ids: WebhookDelivery.objects.select_related("signing_secret", "endpoint").filter(IsOneOf(F("pk"), ids))
)


def claim_due(
    busy_urls: Collection[str], limit: int, lease_seconds: float
) -> tuple[list[WebhookDelivery], datetime | None]:
    """Lease at most `limit` due deliveries, oldest first, except those to `busy_urls`. Also returns when the next delivery will be due."""
    now = timezone.now()
    values: dict[str, Any] = {
        "now": now,
        "busy_urls": list(busy_urls),
        "limit": limit,
        "leased_until": now + timedelta(seconds=lease_seconds),
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        ids, next_due = cursor.fetchone() or (None, None)
    if not ids:
        return [], next_due
    rows = {row.pk: row for row in _CLAIMED.fetch(ids)}
    return [rows[pk] for pk in ids if pk in rows], next_due


def release(ids: Collection[int]) -> None:
    """End the leases of aborted attempts, so that the deliveries are due immediately."""
    WebhookDelivery.objects.filter(pk__in=ids, status=WebhookDelivery.Status.PENDING).update(
        next_attempt_at=timezone.now()
    )


def abandon(delivery: WebhookDelivery) -> None:
    """Stop sending a message whose response is no longer needed. Past attempts stay in the log."""
    WebhookDelivery.objects.filter(pk=delivery.pk, status=WebhookDelivery.Status.PENDING).update(
        status=WebhookDelivery.Status.FAILED, next_attempt_at=None
    )
