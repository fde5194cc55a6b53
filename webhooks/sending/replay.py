"""Resending the events of a time range to an endpoint, for example after its server was down or lost them."""

from datetime import datetime

from django.db import transaction

from accounts.models import Developer
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from webhooks import account_endpoints
from webhooks.models import Event, WebhookDelivery
from webhooks.outbox import EVERY_EVENT, delivery_to, wake_dispatcher
from webhooks.sending.redelivery import send_again

MAX_EVENTS = 1000
BATCH = 100  # rows with bodies in memory at a time


@transaction.atomic
def resend_events(
    *, developer: Developer, endpoint_id: int, since: datetime, until: datetime, event_type: str = ""
) -> int:
    """Send every event from `since` up to `until` that the endpoint subscribes to, including events it never received; returns their
    number. Each keeps its `X-Webhook-Id`. Deliveries in progress are left alone. Raises NotFound, and InvalidRequest for more than
    MAX_EVENTS, without sending any.
    """
    # Locked: disabling or deleting the endpoint waits, then cancels what is written here.
    endpoint = get_row(account_endpoints.endpoints_of(developer).select_for_update(no_key=True), pk=endpoint_id)
    events = Event.objects.filter(developer=developer, created_at__gte=since, created_at__lt=until)
    if EVERY_EVENT not in endpoint.event_types:
        events = events.filter(event_type__in=endpoint.event_types)
    if event_type:
        events = events.filter(event_type=event_type)
    ids = list(events.order_by("created_at", "pk").values_list("pk", flat=True)[: MAX_EVENTS + 1])
    if len(ids) > MAX_EVENTS:
        raise InvalidRequest(
            {"until": [f"Choose a shorter time: at most {MAX_EVENTS:,} events can be resent at once."]}
        )
    known = WebhookDelivery.objects.filter(endpoint=endpoint, event__in=ids)
    count = send_again(known)
    missing = sorted({*ids} - {*known.values_list("event_id", flat=True)})
    for start in range(0, len(missing), BATCH):
        rows = Event.objects.filter(pk__in=missing[start : start + BATCH]).order_by("pk")
        WebhookDelivery.objects.bulk_create([delivery_to(endpoint, event) for event in rows], ignore_conflicts=True)
    if missing:
        wake_dispatcher()
    return count + len(missing)
