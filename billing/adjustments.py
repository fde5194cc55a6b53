"""Corrections by staff. The ledger knows no other way: an entry that is wrong stays, and another one puts it right."""

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from accounts.models import Developer
from billing import ledger
from billing.models import Adjustment, LedgerEntry


@transaction.atomic
def adjust(
    *, developer: Developer, amount: Decimal, reason: str, staff: Developer, reference: UUID | None = None
) -> Adjustment:
    """Give (positive) or take (negative) an amount, for a reason that the developer can read.

    Raises IntegrityError for a `reference` that was used before.
    """
    adjustment = Adjustment.objects.create(
        developer=developer, amount=amount, reason=reason, staff=staff, reference=reference
    )
    ledger.post_entry(
        developer_id=developer.pk,
        key=f"adjustment:{adjustment.pk}",
        kind=LedgerEntry.Kind.ADJUSTMENT,
        amount=amount,
        description=f"Adjustment: {reason}",
        at=adjustment.created_at,
    )
    return adjustment
