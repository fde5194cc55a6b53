"""Corrections by staff. The ledger is append-only: a wrong entry stays, and another one corrects it."""

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
    """Add (positive) or remove (negative) an amount, for a reason that the developer can read.

    Raises IntegrityError if `reference` was used before.
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
