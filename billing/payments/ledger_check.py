"""Payments against the ledger, for `manage.py ledger verify`."""

from collections.abc import Iterator

from billing.models import LedgerEntry, Payment
from bubblyphone.core.money import format_money


def check_payments() -> Iterator[str]:
    """Every successful payment has exactly one credit of the paid amount; other payments have none."""
    entries = {
        entry.key: (entry.developer_id, entry.amount)
        for entry in LedgerEntry.objects.filter(key__regex=r"^payment:[0-9]+$").iterator()
    }
    for payment in Payment.objects.filter(status=Payment.Status.SUCCEEDED).order_by("pk").iterator():
        key = f"payment:{payment.pk}"
        if entries.pop(key, None) != (payment.developer_id, payment.amount):
            yield f"{key}: no matching ledger entry for the payment of {format_money(payment.amount)}"
    for key in entries:
        yield f"{key}: credit for a payment that did not succeed"
