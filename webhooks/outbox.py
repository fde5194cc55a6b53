"""The outbox: a message is written in the transaction of what it reports (`publish`) and sent by `webhooks.delivery`.

A live call sends its tool calls itself; those are only logged (`webhooks.request_log`).
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from webhooks.body_encoding import encode_body
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.outbound_http import PostResult

CHANNEL = "webhook_deliveries"


def publish(
    *,
    developer_id: int,
    signing_secret_id: int,
    subject: str,
    event_type: str,
    url: str,
    payload: Mapping[str, Any],
    wants_reply: bool = False,
) -> WebhookDelivery:
    """Put a message into the outbox, in the caller's transaction: it exists if and only if what it reports does.

    The dispatcher is woken when that transaction commits. `subject` is like "call:42". With `wants_reply` the answer is
    carried out (`webhooks.replies`), and one that cannot be counts as a failure.
    """
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            webhook_id=uuid.uuid4(),
            developer_id=developer_id,
            signing_secret_id=signing_secret_id,
            subject=subject,
            event_type=event_type,
            url=url,
            body=encode_body(payload),
            wants_reply=wants_reply,
        )
        wake_dispatcher()
    return delivery


def wake_dispatcher() -> None:
    """Wake the dispatcher when this transaction has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def record_attempt(
    *, delivery: WebhookDelivery, number: int, result: PostResult, started_at: datetime
) -> WebhookAttempt:
    """The row of one POST."""
    return WebhookAttempt.objects.create(
        delivery=delivery,
        number=number,
        response_status=result.status,
        response_body=result.body,
        latency_ms=result.latency_ms,
        success=result.is_success,
        error_message=result.error,
        created_at=started_at,
    )
