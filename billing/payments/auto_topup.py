"""Automatic top-ups: a saved card is charged when the balance falls below a threshold.

    an entry takes the balance below it ── one transaction ──▶ Payment(pending) + job
    the job ──▶ Stripe, under the payment's own idempotency key ──▶ succeeded: credit  │  declined: off, notified

A process may die between any two steps: the payment is a row, the sweep takes it up again with the same key, and Stripe's answer to
a repeat is its first one. While one payment is pending there is no other.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Developer
from billing import ledger, notices
from billing.models import AutoTopUp, Card, Payment, StripeCustomer
from billing.payments import cards, settlement
from billing.payments.client import from_cents, is_configured, is_gone, stripe_client, to_cents
from bubblyphone.core.api.views import format_time
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.money import format_money
from webhooks.extension_points import PUBLISH_TO_ACCOUNT

logger = logging.getLogger(__name__)
AMOUNTS = tuple(map(Decimal, (10, 25, 50, 100)))
THRESHOLDS = (Decimal(1), Decimal(100))
EVENT = "billing.auto_topup.failed"
# Stripe remembers idempotency keys for 24 h. After this time we ask it for the payment's outcome instead.
REPEATABLE = timedelta(hours=23)
REASONS = {
    "authentication_required": "your bank requires you to confirm the payment",
    "card_declined": "the card was declined",
    "disputed": "a payment was disputed",
    "expired_card": "the card has expired",
    "generic_decline": "the card was declined",
    "insufficient_funds": "the card has insufficient funds",
}


def settings_of(developer_id: int) -> AutoTopUp:
    """The developer's settings; off by default."""
    return AutoTopUp.objects.filter(developer_id=developer_id).first() or AutoTopUp(developer_id=developer_id)


@transaction.atomic
def configure(
    *, developer: Developer, enabled: bool, threshold: Decimal | None = None, amount: Decimal | None = None
) -> AutoTopUp:
    """Turn automatic top-ups on or off; omitted fields stay unchanged.

    Raises InvalidRequest if they would be on with incomplete settings.
    """
    AutoTopUp.objects.get_or_create(developer=developer)
    found = AutoTopUp.objects.select_for_update().get(developer=developer)
    found.enabled = enabled
    found.threshold = found.threshold if threshold is None else threshold
    found.amount = found.amount if amount is None else amount
    values = {"threshold": found.threshold, "amount": found.amount}
    missing = {name: ["Required to turn automatic top-ups on."] for name, value in values.items() if value is None}
    if enabled and missing:
        raise InvalidRequest(missing)
    found.charges_below, found.failure_code, found.failed_at = found.threshold, "", None
    found.save()
    watch(developer.pk)
    return found


def watch(developer_id: int, left: Decimal | None = None) -> None:
    """Start a charge if one is due. Call it in the transaction that changed the balance; `left` replaces the balance in the check."""
    if not is_configured():
        return
    found = AutoTopUp.objects.filter(developer_id=developer_id, enabled=True, developer__is_active=True).first()
    if found is None:
        return
    assert found.threshold is not None
    assert found.charges_below is not None
    left = ledger.balance(developer_id) if left is None else left
    if left >= found.threshold > found.charges_below:
        AutoTopUp.objects.filter(pk=found.pk).update(charges_below=found.threshold)
    elif left < found.charges_below:
        _begin(found.pk, left)


def _begin(auto_topup_id: int, left: Decimal) -> None:
    with transaction.atomic():
        found = AutoTopUp.objects.select_for_update().get(pk=auto_topup_id)
        if not found.enabled or found.amount is None or found.charges_below is None or left >= found.charges_below:
            return
        ours = Payment.objects.filter(developer_id=found.developer_id, kind=Payment.Kind.AUTO_TOP_UP)
        card = Card.objects.filter(developer_id=found.developer_id, is_default=True).first()
        if card is None or ours.filter(status=Payment.Status.PENDING).exists():
            return
        payment = Payment.objects.create(
            developer_id=found.developer_id,
            kind=Payment.Kind.AUTO_TOP_UP,
            amount=found.amount,
            stripe_card_id=card.stripe_id,
            card=str(card),
        )
        least = THRESHOLDS[0]
        # If the charge raises the balance at all, the next one must not wait until the balance is negative.
        found.charges_below = max(left, least) if left + found.amount > least else left
        found.save(update_fields=["charges_below"])
        enqueue(charge, payment.pk)


def charge(payment_id: int, now: datetime | None = None) -> None:
    """The job: charge the default card. If Stripe did not answer, the payment stays pending for the sweep."""
    payment = Payment.objects.select_related("developer").get(pk=payment_id)
    if payment.status != Payment.Status.PENDING:
        return
    if (now or timezone.now()) - payment.created_at > REPEATABLE:
        _find_out(payment)
        return
    if not payment.developer.is_active:
        return  # The sweep retries until REPEATABLE has passed.
    customer = StripeCustomer.objects.filter(developer_id=payment.developer_id).first()
    if customer is None:
        fail(payment_id, "no_payment_method")
        return
    try:
        intent = _create_intent(payment, customer)
    except stripe.CardError as error:
        fail(payment_id, _decline_code(error))
    except stripe.InvalidRequestError as error:
        if is_gone(error, "payment_method"):
            cards.forget(payment.stripe_card_id)
        fail(payment_id, error.code or "invalid_request")
    except stripe.StripeError as error:
        logger.warning(
            "Charging a card at Stripe failed without a result: %s",
            type(error).__name__,
            extra={"payment_id": payment_id},
        )
    else:
        _take(payment_id, intent)


def _create_intent(payment: Payment, customer: StripeCustomer) -> stripe.PaymentIntent:
    """Create one charge, however often this is repeated. Raises stripe.StripeError."""
    return stripe_client().v1.payment_intents.create(
        {
            "amount": to_cents(payment.amount),
            "currency": "usd",
            "customer": customer.stripe_id,
            "payment_method": payment.stripe_card_id,
            "off_session": True,
            "confirm": True,
            "description": "Automatic top-up",
            "metadata": {"kind": "auto_topup", "payment": str(payment.reference)},
        },
        {"idempotency_key": f"auto-topup-{payment.reference}"},
    )


def _take(payment_id: int, intent: stripe.PaymentIntent) -> None:
    """Apply Stripe's answer. Payments that take longer are reported by a webhook."""
    if intent.status == "succeeded":
        paid = from_cents(intent.amount_received or intent.amount)
        settlement.succeed(payment_id, paid=paid, currency=intent.currency, intent_id=intent.id)
    elif intent.status in ("requires_action", "requires_confirmation"):
        fail(payment_id, "authentication_required")
    elif intent.status in ("requires_payment_method", "canceled"):
        fail(payment_id, "card_declined")
    else:
        Payment.objects.filter(pk=payment_id, stripe_intent_id=None).update(stripe_intent_id=intent.id)


def _find_out(payment: Payment) -> None:
    """Find the outcome of a payment whose key Stripe may have forgotten: repeating the request could charge twice."""
    customer = StripeCustomer.objects.filter(developer_id=payment.developer_id).first()
    since = int(payment.created_at.timestamp()) - 60
    if customer is not None:
        params: Any = {"customer": customer.stripe_id, "created": {"gte": since}, "limit": 100}
        for intent in stripe_client().v1.payment_intents.list(params).auto_paging_iter():
            if (intent.to_dict().get("metadata") or {}).get("payment") == str(payment.reference):
                _take(payment.pk, intent)
                return
    fail(payment.pk, "not_charged")


def _decline_code(error: stripe.CardError) -> str:
    """The bank's own reason, if there is one: `insufficient_funds` is more specific than `card_declined`."""
    detail = error.error
    if error.code == "card_declined" and detail is not None and getattr(detail, "decline_code", None):
        return str(detail.decline_code)
    return error.code or "card_declined"


@transaction.atomic
def fail(payment_id: int, code: str) -> None:
    """The card was not charged: turn off automatic top-ups and notify the developer once, by email and webhook."""
    if not settlement.close(payment_id, Payment.Status.FAILED, code):
        return
    payment, now = Payment.objects.get(pk=payment_id), timezone.now()
    AutoTopUp.objects.filter(developer_id=payment.developer_id).update(
        enabled=False, failure_code=code[:60], failed_at=now
    )
    amount = format_money(payment.amount)
    context = {"amount": amount, "reason": explain(code), "link": f"{settings.PUBLIC_URL}/billing"}
    key = f"auto-topup-failed:{payment.pk}"
    notices.send_once(developer_id=payment.developer_id, key=key, template="auto_topup_failed", context=context)
    payload = {"event": EVENT, "amount": amount, "currency": "USD", "reason": code, "timestamp": format_time(now)}
    publish = PUBLISH_TO_ACCOUNT.get()
    publish(developer_id=payment.developer_id, subject=f"payment:{payment.pk}", event_type=EVENT, payload=payload)


def explain(code: str) -> str:
    """A failure in words for people."""
    return REASONS.get(code, "the card could not be charged")
