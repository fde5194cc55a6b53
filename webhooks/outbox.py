"""The outbox: an event and its messages are written in the transaction of what they report (`publish`); `webhooks.sending` sends them.

A live call sends its tool calls itself; those are only logged (`webhooks.sending.request_log`).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from accounts.notifications import wants_webhook
from bubblyphone.core.database.prepared_inserts import PreparedInsert
from bubblyphone.core.database.prepared_queries import IsOneOf, PreparedQuery
from webhooks.http.outbound_http import PostResult
from webhooks.models import Event, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from webhooks.sending.body_encoding import encode_body

CHANNEL = "webhook_deliveries"
EVERY_EVENT = "*"


_ENABLED_ENDPOINTS = PreparedQuery(
    lambda developer_ids: WebhookEndpoint.objects.filter(
        IsOneOf(F("developer_id"), developer_ids), enabled=True, deleted_at=None
    )
)
_EVENTS = PreparedInsert(Event)
_DELIVERIES = PreparedInsert(WebhookDelivery, wakes=CHANNEL)


@dataclass(frozen=True, slots=True)
class Address:
    """A number's webhook URL and the secret that signs for it. `fields` override those of the payload there."""

    url: str
    signing_secret_id: int
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """An event for `publish_all`: the arguments of `publish`."""

    developer_id: int
    subject: str
    event_type: str
    payload: Mapping[str, Any]
    to: Sequence[Address] = ()


def publish(
    *,
    developer_id: int,
    subject: str,
    event_type: str,
    payload: Mapping[str, Any],
    to: Sequence[Address] = (),
    wants_reply: bool = False,
    endpoints: Iterable[WebhookEndpoint] | None = None,
) -> Event:
    """Write an event and its messages, in the caller's transaction: they exist if and only if what they report does.

    The messages go `to` each address and to the account's endpoints: those that subscribe to such events, unless `endpoints`
    names them. They go to nobody if the account has turned webhooks of that kind off (`accounts.notifications`). The dispatcher is
    woken when that transaction commits. `subject` is like "call:42". With `wants_reply` the answer of a number's server is carried
    out (`webhooks.sending.replies`), and one that cannot be counts as a failure.
    """
    event = _event(Report(developer_id, subject, event_type, payload, to))
    with transaction.atomic(savepoint=False):
        _EVENTS.write([event])
        if not wants_webhook(developer_id, event_type):
            return event
        rows = [_delivery_to(address, event, payload, wants_reply) for address in to]
        chosen = subscribers(developer_id, event_type) if endpoints is None else endpoints
        rows += [delivery_to(endpoint, event) for endpoint in chosen]
        _DELIVERIES.write(rows)
    return event


def publish_all(reports: Sequence[Report]) -> None:
    """Like `publish` for each of them in order, with as many queries as for one."""
    with transaction.atomic(savepoint=False):
        events = [_event(report) for report in reports]
        _EVENTS.write(events)
        wanted = [
            (report, event)
            for report, event in zip(reports, events, strict=True)
            if wants_webhook(report.developer_id, report.event_type)
        ]
        endpoints = _ENABLED_ENDPOINTS.fetch([*{report.developer_id for report, _ in wanted}])
        rows = []
        for report, event in wanted:
            rows += [_delivery_to(address, event, report.payload, wants_reply=False) for address in report.to]
            own = (one for one in endpoints if one.developer_id == report.developer_id)
            rows += [delivery_to(one, event) for one in own if _subscribes(one, report.event_type)]
        _DELIVERIES.write(rows)


def _event(report: Report) -> Event:
    """Not saved yet."""
    return Event(
        public_id=f"evt_{uuid.uuid4().hex}",
        developer_id=report.developer_id,
        subject=report.subject,
        event_type=report.event_type,
        body=encode_body(report.payload),
    )


def subscribers(developer_id: int, event_type: str) -> list[WebhookEndpoint]:
    """The account's endpoints that subscribe to a type of event."""
    return [one for one in _ENABLED_ENDPOINTS.fetch([developer_id]) if _subscribes(one, event_type)]


def _subscribes(endpoint: WebhookEndpoint, event_type: str) -> bool:
    return not {EVERY_EVENT, event_type}.isdisjoint(endpoint.event_types)


def delivery_to(endpoint: WebhookEndpoint, event: Event) -> WebhookDelivery:
    """The delivery of an event to an endpoint, not saved yet."""
    return _delivery(
        event,
        webhook_id=event.public_id,
        endpoint=endpoint,
        signing_secret_id=endpoint.signing_secret_id,
        url=endpoint.url,
        body=event.body,
    )


def _delivery_to(address: Address, event: Event, payload: Mapping[str, Any], wants_reply: bool) -> WebhookDelivery:
    return _delivery(
        event,
        webhook_id=str(uuid.uuid4()),
        signing_secret_id=address.signing_secret_id,
        url=address.url,
        body=encode_body({**payload, **address.fields}) if address.fields else event.body,
        wants_reply=wants_reply,
    )


def _delivery(event: Event, **fields: Any) -> WebhookDelivery:
    return WebhookDelivery(
        event=event, developer_id=event.developer_id, subject=event.subject, event_type=event.event_type, **fields
    )


def wake_dispatcher() -> None:
    """Wake the dispatcher when this transaction has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def record_attempt(
    *, delivery: WebhookDelivery, number: int, result: PostResult, started_at: datetime
) -> WebhookAttempt:
    """The row of one POST."""
    attempt = attempt_at(delivery=delivery, number=number, result=result, started_at=started_at)
    attempt.save()
    return attempt


def attempt_at(*, delivery: WebhookDelivery, number: int, result: PostResult, started_at: datetime) -> WebhookAttempt:
    """The row of one POST, not saved yet."""
    return WebhookAttempt(
        delivery=delivery,
        number=number,
        response_status=result.status,
        response_body=result.body,
        latency_ms=result.latency_ms,
        success=result.is_success,
        error_message=result.error,
        created_at=started_at,
    )
