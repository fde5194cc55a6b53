"""Notifying a developer of a verification decision, by email and by a webhook to each address of their numbers, and of what belongs
to no number in particular.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import emails
from bubblyphone.core.api.views import format_time
from bubblyphone.core.background.jobs import enqueue
from phone_numbers.countries import country_name
from phone_numbers.models import CarrierAccount, PhoneNumber, Verification
from webhooks.outbox import Address, publish

EVENT = "country.verification.updated"
ACCOUNT_FAILING = "carrier_account.failing"


def announce(verification: Verification) -> None:
    """In the transaction of a decision: the email is queued, the webhooks are in the outbox.

    Each address of a number gets the event once, signed with the secret of the oldest number that has it, which is the one that it
    names; the account's endpoints get it without a number.
    """
    enqueue(send_verification_email, verification.pk)
    publish(
        developer_id=verification.developer_id,
        subject=f"verification:{verification.pk}",
        event_type=EVENT,
        payload={
            "event": EVENT,
            "verification_id": verification.public_id,
            "country_code": verification.country_code,
            "number_type": verification.number_type,
            "status": verification.status,
            "rejection_reason": verification.rejection_reason or None,
            "phone_number": None,
            "timestamp": format_time(verification.reviewed_at or timezone.now()),
        },
        to=[
            Address(number.webhook_url, number.signing_secret_id, {"phone_number": number.e164})
            for number in addressed_numbers(verification.developer_id)
        ],
    )


def addressed_numbers(developer_id: int) -> Iterable[PhoneNumber]:
    """The oldest active number of each webhook URL of an account: its secret signs."""
    numbers = PhoneNumber.objects.filter(developer_id=developer_id, status=PhoneNumber.Status.ACTIVE)
    return {one.webhook_url: one for one in numbers.exclude(webhook_url="").order_by("-pk")}.values()


def publish_to_account(*, developer_id: int, subject: str, event_type: str, payload: Mapping[str, Any]) -> None:
    """Publish an event that belongs to no number, once per URL, in the caller's transaction.

    Registered as webhooks.extension_points.PUBLISH_TO_ACCOUNT.
    """
    numbers = addressed_numbers(developer_id)
    publish(
        developer_id=developer_id,
        subject=subject,
        event_type=event_type,
        payload=payload,
        to=[Address(number.webhook_url, number.signing_secret_id) for number in numbers],
    )


def publish_failing_account(account: CarrierAccount, now: datetime) -> None:
    """The carrier no longer accepts the credentials of this account. Call it in the transaction that records this."""
    publish_to_account(
        developer_id=account.developer_id,
        subject=f"carrier_account:{account.pk}",
        event_type=ACCOUNT_FAILING,
        payload={
            "event": ACCOUNT_FAILING,
            "carrier_account_id": str(account.pk),
            "provider": account.provider,
            "label": account.label,
            "timestamp": format_time(now),
        },
    )


def send_verification_email(verification_id: int) -> None:
    """The job. Reports the current decision."""
    verification = Verification.objects.select_related("developer").get(pk=verification_id)
    context = {
        "verification": verification,
        "country": country_name(verification.country_code),
        "kind": verification.number_type.replace("_", "-"),
        "public_url": settings.PUBLIC_URL,
    }
    emails.send(verification.developer, "country_verification", context)
