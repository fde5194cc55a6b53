"""Reading calls."""

from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone
from structlog.contextvars import bind_contextvars

from accounts.models import Developer
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.monitoring import tracing
from calls.models import Call, CallQuerySet
from phone_numbers.models import PhoneNumber
from webhooks.models import SigningSecret, WebhookAttempt, WebhookDelivery
from webhooks.sending import redelivery


def calls_of(developer: Developer) -> CallQuerySet:
    """All calls of an account, with related rows for a list."""
    return Call.objects.filter(developer=developer).select_related("phone_number", "agent")


def get_call(developer: Developer, identifier: str) -> Call:
    """By id, or by the `call_id` string of a sandbox call. Raises NotFound, also for another account's call."""
    lookup: dict[str, Any] = {"public_id": identifier}
    if identifier.isascii() and identifier.isdecimal() and len(identifier) <= 18:
        lookup = {"pk": int(identifier)}
    call = get_row(calls_of(developer), **lookup)
    bind_contextvars(call_id=call.pk)
    tracing.about_call(call.pk)
    return call


def deliveries_of(call: Call) -> QuerySet[WebhookDelivery]:
    """The webhooks about a call with all attempts, oldest first."""
    found = WebhookDelivery.objects.filter(developer_id=call.developer_id, subject=f"call:{call.pk}")
    return redelivery.with_attempts(found.order_by("pk"), whole=True)


def webhook_attempts(call: Call) -> QuerySet[WebhookAttempt]:
    """Every webhook attempt about the call, oldest first."""
    return (
        WebhookAttempt.objects.filter(delivery__developer_id=call.developer_id, delivery__subject=f"call:{call.pk}")
        .select_related("delivery")
        .order_by("created_at", "id")
    )


def signing_secret_of(call: Call) -> SigningSecret | None:
    """The secret that signs a call's tool requests: the secret of its number.

    An agent test has no number: it uses the secret of the oldest number that the agent answers, otherwise of any of the developer's
    numbers, otherwise the agent's own.
    """
    if call.phone_number is not None:
        return call.phone_number.signing_secret
    if call.agent is None:
        return None
    numbers = PhoneNumber.objects.unreleased().filter(developer_id=call.developer_id)
    oldest = numbers.select_related("signing_secret").order_by("pk")
    number = oldest.filter(agent=call.agent).first() or oldest.first()
    return number.signing_secret if number is not None else call.agent.signing_secret


def silent_seconds(call: Call) -> float:
    """How long a running call has been silent, as far as it is recorded; 0 if nothing was ever heard."""
    sounds = [
        call.transcript.aggregate(at=Max("spoken_at"))["at"],
        call.events.filter(event_type="dtmf.received").aggregate(at=Max("event_timestamp"))["at"],
    ]
    last = max(filter(None, sounds), default=None)
    return max(0.0, (timezone.now() - last).total_seconds()) if last else 0.0
