"""Refunds and disputes. Stripe's reports may arrive in any order and number; the ledger ends up the same."""

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from djstripe.models import Event

from billing import ledger
from billing.models import AutoTopUp, LedgerEntry, Payment, Refund
from billing.payments.client import from_cents
from billing.payments.intents import intent_of, lock_intent, payment_of
from bubblyphone.core.money import ZERO, format_money

logger = logging.getLogger(__name__)
FAILED = {"failed", "canceled"}
# In these states the bank has only asked and has taken no money.
INQUIRY_PREFIX = "warning_"


@transaction.atomic
def on_refund(refund: Mapping[str, Any]) -> None:
    """refund.created, refund.updated, refund.failed: a refund is on its way, or failed."""
    if (payment := _payment_of(refund)) is None:
        return
    failed = refund.get("status") in FAILED
    row, is_new = Refund.objects.get_or_create(
        stripe_id=refund["id"],
        defaults={"payment": payment, "amount": from_cents(refund["amount"]), "failed": failed},
    )
    if failed and not is_new:
        row.failed = True
        row.save(update_fields=["failed"])
    _book_refunds(payment)


@transaction.atomic
def on_charge_refunded(charge: Mapping[str, Any]) -> None:
    """charge.refunded: the total refunded of a charge, for installations that receive no events about single refunds."""
    if (payment := _payment_of(charge)) is None:
        return
    payment.refund_total = max(payment.refund_total, from_cents(charge["amount_refunded"]))
    payment.save(update_fields=["refund_total"])
    _book_refunds(payment)


@transaction.atomic
def on_dispute(dispute: Mapping[str, Any]) -> None:
    """charge.dispute.…: the bank takes the money immediately and returns it if we win."""
    status = str(dispute.get("status") or "")
    if (payment := _payment_of(dispute)) is None or status.startswith(INQUIRY_PREFIX):
        return
    key, amount = f"payment:{payment.pk}:dispute:{dispute['id']}", from_cents(dispute["amount"])
    _book(payment, key, LedgerEntry.Kind.DISPUTE, -amount, "Dispute")
    if status == "won":
        # The dispute's own entry exists by now, so a late report of its start changes nothing.
        _book(payment, f"{key}:won", LedgerEntry.Kind.DISPUTE, amount, "Dispute won")


HANDLERS = {
    "refund.created": on_refund,
    "refund.updated": on_refund,
    "refund.failed": on_refund,
    "charge.refund.updated": on_refund,  # sent to accounts with an older API version
    "charge.refunded": on_charge_refunded,
    "charge.dispute.created": on_dispute,
    "charge.dispute.updated": on_dispute,
    "charge.dispute.funds_withdrawn": on_dispute,
    "charge.dispute.funds_reinstated": on_dispute,
    "charge.dispute.closed": on_dispute,
}


def apply_early_reports(payment: Payment) -> None:
    """Apply events that arrived before this payment's Stripe id was known, in the transaction that stores the id."""
    reports = Event.objects.filter(type__in=list(HANDLERS), data__object__payment_intent=payment.stripe_intent_id)
    for report in reports.order_by("djstripe_id"):
        HANDLERS[report.type](report.data["object"])


def _payment_of(thing: Mapping[str, Any]) -> Payment | None:
    """The payment, locked."""
    lock_intent(intent_of(thing))
    if (payment := payment_of(thing)) is None:
        return None
    return Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)


def _book_refunds(payment: Payment) -> None:
    """Adjust the ledger to the refunded total. Entries are never changed; a new one makes up the difference."""
    known = payment.refunds.filter(failed=False).aggregate(sum=Sum("amount"))["sum"] or ZERO
    # The charge's total includes refunds that failed later. If there are any, single refunds are reported and are sufficient.
    has_failed = payment.refunds.filter(failed=True).exists()
    gone = known if has_failed else max(known, payment.refund_total)
    entries = LedgerEntry.objects.filter(key__startswith=f"payment:{payment.pk}:refund:")
    booked: Decimal = -(entries.aggregate(sum=Sum("amount"))["sum"] or ZERO)
    if gone != booked:
        text = "Refund" if gone > booked else "Refund failed"
        key = f"payment:{payment.pk}:refund:{entries.count() + 1}"
        _book(payment, key, LedgerEntry.Kind.REFUND, booked - gone, text)


def _charge_nothing_for(developer_id: int, kind: str, amount: Decimal) -> None:
    """After a refund, the developer must not be charged immediately.

    A dispute turns automatic top-ups off; after a refund, further spending triggers them.
    """
    wanted = AutoTopUp.objects.filter(developer_id=developer_id, enabled=True)
    if kind == LedgerEntry.Kind.DISPUTE:
        wanted.update(enabled=False, failure_code="disputed", failed_at=timezone.now())
        return
    left = ledger.balance(developer_id) + amount
    wanted.filter(charges_below__gt=left).update(charges_below=left)


def _book(payment: Payment, key: str, kind: str, amount: Decimal, text: str) -> None:
    if amount < ZERO:
        _charge_nothing_for(payment.developer_id, kind, amount)
    ledger.post_entry(
        developer_id=payment.developer_id,
        key=key,
        kind=kind,
        amount=amount,
        description=f"{text}: top-up of ${format_money(payment.amount)}",
    )
