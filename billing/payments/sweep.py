"""Runs every minute: finishes what a dead process or an unresponsive Stripe left behind, and handles balances that running calls take
below a threshold.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import stripe
from django.db import DatabaseError, transaction
from django.utils import timezone
from djstripe.models import Event, WebhookEventTrigger

from billing import ledger
from billing.models import AutoTopUp, Payment
from billing.payments import auto_topup, cards, settlement
from billing.payments.client import is_configured
from bubblyphone.core.errors import UpstreamFailed

logger = logging.getLogger(__name__)
# The job itself takes some time; a Checkout page is open for 24 h.
PATIENCE = timedelta(minutes=1)
SESSION_LIFETIME = timedelta(hours=25)
CARD_ATTEMPTS = timedelta(hours=1)
# How long Stripe's reports are stored as received; Stripe itself provides events for 30 days.
REPORTS_KEPT = timedelta(days=90)


def sweep(now: datetime | None = None) -> None:
    """One failure does not block the others."""
    now = now or timezone.now()
    pending = Payment.objects.filter(status=Payment.Status.PENDING)
    unpaid = pending.filter(kind=Payment.Kind.TOP_UP, created_at__lt=now - SESSION_LIFETIME, stripe_intent_id=None)
    for payment_id in unpaid.values_list("pk", flat=True):
        settlement.close(payment_id, Payment.Status.EXPIRED)
    if not is_configured():
        return
    for developer_id in AutoTopUp.objects.filter(enabled=True).values_list("developer_id", flat=True):
        with transaction.atomic():
            auto_topup.watch(developer_id, ledger.available(developer_id))
    late = pending.filter(kind=Payment.Kind.AUTO_TOP_UP, created_at__lt=now - PATIENCE)
    for payment_id in late.values_list("pk", flat=True):
        _try(payment_id, lambda pk: auto_topup.charge(pk, now))
    blank = Payment.objects.filter(status=Payment.Status.SUCCEEDED, card="", stripe_intent_id__isnull=False)
    recent = blank.filter(settled_at__lt=now - PATIENCE, settled_at__gt=now - CARD_ATTEMPTS)
    for payment_id in recent.values_list("pk", flat=True):
        _try(payment_id, cards.keep_from)


def purge(now: datetime | None = None) -> None:
    """The daily job: delete old reports. Their effects are in the ledger, whose keys still prevent repeats."""
    before = (now or timezone.now()) - REPORTS_KEPT
    WebhookEventTrigger.objects.filter(created__lt=before).delete()
    Event.objects.filter(djstripe_created__lt=before).delete()


def _try(payment_id: int, work: Callable[[int], None]) -> None:
    try:
        work(payment_id)
    except (stripe.StripeError, UpstreamFailed, DatabaseError):
        logger.exception("Processing an unfinished payment failed", extra={"payment_id": payment_id})
