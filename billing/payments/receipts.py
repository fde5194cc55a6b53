"""Receipts: what was paid, by whom, and how."""

from datetime import UTC

from billing.models import Payment
from billing.payments.settlement import describe
from billing.pdf import Document
from bubblyphone.core.money import format_money


def receipt(payment: Payment) -> bytes:
    """The PDF of a successful payment."""
    assert payment.settled_at is not None
    document = Document("Receipt")
    facts = [
        ("Receipt number", receipt_number(payment)),
        ("Date", f"{payment.settled_at.astimezone(UTC):%B %-d, %Y, %H:%M} UTC"),
        ("Paid by", f"{payment.developer.name} <{payment.developer.email}>"),
        # The fonts do not include these dots.
        ("Paid with", payment.card.replace("••••", "ending in") or "Payment method"),
        ("Payment", payment.stripe_intent_id or ""),
    ]
    document.rows(("", ""), facts, widths=(1, 2))
    document.heading("Items")
    refunds = payment.refunds.filter(failed=False).order_by("pk")
    lines = [
        (describe(payment), f"${format_money(payment.amount)}"),
        *(("Refund", f"-${format_money(refund.amount)}") for refund in refunds),
    ]
    document.rows(("Description", "Amount (USD)"), lines, widths=(3, 1))
    document.note("Prepaid credit for phone numbers and calls. Thank you.")
    return document.as_bytes()


def receipt_number(payment: Payment) -> str:
    return f"R-{payment.pk:06}"
