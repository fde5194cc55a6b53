"""Reading calls."""

from typing import Any

from django.db.models import QuerySet

from accounts.models import Developer, WebhookAttempt
from bubblyphone.core.errors import NotFound
from calls.models import Call


def calls_of(developer: Developer) -> QuerySet[Call]:
    """All calls of an account, with what a list needs."""
    return Call.objects.filter(developer=developer).select_related("phone_number", "agent")


def get_call(developer: Developer, identifier: str) -> Call:
    """By id, or by the `call_id` text that a sandbox call was given. Raises NotFound, also for what belongs to others."""
    lookup: dict[str, Any] = {"public_id": identifier}
    if identifier.isascii() and identifier.isdecimal() and len(identifier) <= 18:
        lookup = {"pk": int(identifier)}
    call = calls_of(developer).filter(**lookup).first()
    if call is None:
        raise NotFound("Not found.")
    return call


def webhook_attempts(call: Call) -> QuerySet[WebhookAttempt]:
    """Every attempt to tell the developer something about the call, oldest first."""
    return (
        WebhookAttempt.objects.filter(delivery__developer_id=call.developer_id, delivery__subject=f"call:{call.pk}")
        .select_related("delivery")
        .order_by("created_at", "id")
    )
