"""Records the outcome of attempts, and when the next one is due."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from bubblyphone.core.database.prepared_inserts import PreparedInsert
from webhooks.extension_points import REPLY_HANDLER
from webhooks.http.outbound_http import PostResult
from webhooks.metrics import note_attempt
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.outbox import attempt_at, record_attempt
from webhooks.sending import endpoint_failures, retry_schedule
from webhooks.sending.retry_schedule import EMAILED_ATTEMPT

# Locks the rows in the order of their IDs, so that two processes cannot deadlock.
_RECORD_ARRIVALS = """
WITH ours AS (
    SELECT delivery.id FROM webhooks_webhookdelivery delivery
    JOIN UNNEST(%s::bigint[], %s::smallint[]) AS sent (id, attempt_count) USING (id, attempt_count)
    WHERE delivery.status = 'pending' ORDER BY delivery.id FOR UPDATE OF delivery
)
UPDATE webhooks_webhookdelivery SET status = 'delivered', attempt_count = attempt_count + 1, next_attempt_at = NULL
FROM ours WHERE webhooks_webhookdelivery.id = ours.id RETURNING webhooks_webhookdelivery.id
"""
_ATTEMPTS = PreparedInsert(WebhookAttempt)


class Arrival(NamedTuple):
    """An attempt that succeeded."""

    delivery: WebhookDelivery
    result: PostResult
    started_at: datetime


def record_failure(
    delivery: WebhookDelivery, result: PostResult, started_at: datetime, retry_delays: Sequence[float]
) -> None:
    """Record a failed attempt and schedule the next one. Does nothing if another process has recorded this attempt."""
    number = delivery.attempt_count + 1
    status: str = WebhookDelivery.Status.FAILED
    next_attempt_at = None
    if not result.is_final:
        failed_at = started_at + timedelta(milliseconds=result.latency_ms)
        if next_attempt_at := retry_schedule.next_attempt_at(number, failed_at, retry_delays):
            status = WebhookDelivery.Status.PENDING
    failing_id = delivery.endpoint_id if number == EMAILED_ATTEMPT else None
    with transaction.atomic():
        if failing_id is not None:
            endpoint_failures.lock_endpoints(delivery.developer_id)
        ours = WebhookDelivery.objects.filter(
            pk=delivery.pk, status=WebhookDelivery.Status.PENDING, attempt_count=number - 1
        )
        if ours.update(status=status, attempt_count=number, next_attempt_at=next_attempt_at):
            record_attempt(delivery=delivery, number=number, result=result, started_at=started_at)
            note_attempt(result, status)
            if failing_id is not None:
                endpoint_failures.tell_once_a_day(delivery, failing_id)
            if delivery.wants_reply and status == WebhookDelivery.Status.FAILED and not result.is_final:
                REPLY_HANDLER.get().gave_up(delivery)


def record_arrivals(arrivals: Sequence[Arrival]) -> None:
    """Record attempts that succeeded, all in one transaction. Skips those that another process has recorded."""
    arrivals = list({one.delivery.pk: one for one in arrivals}.values())
    sent = [one.delivery.pk for one in arrivals], [one.delivery.attempt_count for one in arrivals]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_RECORD_ARRIVALS, sent)
            recorded = {pk for (pk,) in cursor.fetchall()}
        ours = [one for one in arrivals if one.delivery.pk in recorded]
        _ATTEMPTS.write(
            [
                attempt_at(
                    delivery=one.delivery,
                    number=one.delivery.attempt_count + 1,
                    result=one.result,
                    started_at=one.started_at,
                )
                for one in ours
            ]
        )
        for one in ours:
            note_attempt(one.result, WebhookDelivery.Status.DELIVERED)
