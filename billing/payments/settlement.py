"""The outcome of a payment. It ends once, and its credit is one ledger entry, no matter how often and by which event it is reported."""

import logging
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing import ledger
from billing.models import LedgerEntry, Payment
from billing.payments import cards, refunds
from billing.payments.intents import lock_intent
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.money import format_money

logger = logging.getLogger(__name__)
Status = Payment.Status
DESCRIPTIONS = {Payment.Kind.TOP_UP: "Balance top-up", Payment.Kind.AUTO_TOP_UP: "Automatic top-up"}


class WrongCurrency(Exception):
    """A payment in a currency other than US dollars, which staff must look at."""


@transaction.atomic
def succeed(payment_id: int, *, paid: Decimal, currency: str = "usd", intent_id: str = "") -> None:
    """Stripe has the money: credit it.

    A repeat changes nothing; a payment that was given up meanwhile is still credited. Raises WrongCurrency.
    """
    if currency.lower() != "usd":
        raise WrongCurrency(f"payment {payment_id} was in {currency}")
    # Locked before the row, so that a concurrent refund event waits, or is found below.
    lock_intent(intent_id)
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment_id)
    if payment.status == Status.SUCCEEDED:
        return
    if paid != payment.amount:
        logger.error(
            "payment amount mismatch: requested %s, paid %s", payment.amount, paid, extra={"payment_id": payment_id}
        )
    payment.status, payment.amount, payment.settled_at = Status.SUCCEEDED, paid, timezone.now()
    payment.stripe_intent_id = payment.stripe_intent_id or intent_id or None
    payment.failure_code = ""
    payment.save(update_fields=["status", "amount", "settled_at", "stripe_intent_id", "failure_code"])
    ledger.post_entry(
        developer_id=payment.developer_id,
        key=f"payment:{payment.pk}",
        kind=LedgerEntry.Kind.TEST_CREDIT if payment.is_test else LedgerEntry.Kind.TOP_UP,
        amount=paid,
        description="Test credit" if payment.is_test else DESCRIPTIONS[Payment.Kind(payment.kind)],
        at=payment.settled_at,
    )
    if payment.stripe_intent_id:
        refunds.apply_early_reports(payment)
        enqueue(cards.keep_from, payment.pk)


@transaction.atomic
def close(payment_id: int, status: str, failure_code: str = "") -> bool:
    """A pending payment will not be paid. False if it had already ended."""
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment_id)
    if payment.status != Status.PENDING:
        return False
    payment.status, payment.failure_code, payment.settled_at = status, failure_code[:60], timezone.now()
    payment.save(update_fields=["status", "failure_code", "settled_at"])
    return True


def describe(payment: Payment) -> str:
    return f"{DESCRIPTIONS[Payment.Kind(payment.kind)]} of ${format_money(payment.amount)}"
