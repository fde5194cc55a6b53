"""How long accounts keep recordings, transcripts and other data (accounts.extension_points.RETENTION_KINDS)."""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.extension_points import RETENTION_KINDS, RetentionKind
from accounts.models import Developer, RetentionPeriod
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import StorageUnavailable

logger = logging.getLogger(__name__)

MAX_DAYS = 3650
# The worker ends jobs that run too long (Q_CLUSTER), so the rest is queued as another job.
BUDGET_SECONDS = 30.0
# What the API says of each kind, in the order of the page and the API.
KINDS_IN_API: Mapping[str, str] = {
    "recordings": "recordings of calls",
    "transcripts": "what was said in calls: transcripts, recognized speech, and analysis results, and each call's variables and metadata",
    "events": "the timelines of calls",
    "webhook_logs": "webhook deliveries with their bodies and responses",
    "documents": "documents of rejected and expired verifications",
}


def kinds() -> list[RetentionKind]:
    """The registered kinds, in the order of the page."""
    return sorted(RETENTION_KINDS, key=lambda kind: list(KINDS_IN_API).index(kind.name))


def periods_of(developer: Developer) -> dict[str, int | None]:
    """Days by kind, in the order of the kinds; None: kept until the account deletes them."""
    days = dict(RetentionPeriod.objects.filter(developer=developer).values_list("kind", "days"))
    return {name: days.get(name) for name in KINDS_IN_API}


@transaction.atomic
def set_periods(developer: Developer, days: Mapping[str, int | None]) -> None:
    """Set the periods of the named kinds; they also apply to existing data."""
    for kind, number in days.items():
        if number is None:
            RetentionPeriod.objects.filter(developer=developer, kind=kind).delete()
        else:
            RetentionPeriod.objects.update_or_create(developer=developer, kind=kind, defaults={"days": number})


def delete_expired(first_id: int = 0) -> None:
    """The nightly job, which deletes expired data account by account, starting with the period of the given id.

    Raises StorageUnavailable at the end if some files could not be deleted; the next night retries them.
    """
    began, kinds, failed = time.monotonic(), {kind.name: kind for kind in RETENTION_KINDS}, None
    for period in RetentionPeriod.objects.filter(pk__gte=first_id, kind__in=kinds).order_by("pk"):
        kind, before = kinds[period.kind], timezone.now() - timedelta(days=period.days)
        # Read first: a call that ends meanwhile may not be found anymore.
        still_used_since = kind.still_used_since(period.developer_id)
        try:
            for _ in kind.delete(period.developer_id, before, period.deleted_before):
                if time.monotonic() - began > BUDGET_SECONDS:
                    enqueue(delete_expired, period.pk)
                    return
            deleted_before = min(before, still_used_since or before)
            RetentionPeriod.objects.filter(pk=period.pk).update(deleted_before=deleted_before)
        except StorageUnavailable as error:  # must not block the other accounts
            logger.warning("Deleting %s failed", period.kind, extra={"account_id": period.developer_id})
            failed = error
            if time.monotonic() - began > BUDGET_SECONDS:
                enqueue(delete_expired, period.pk + 1)
                break
    if failed is not None:
        raise failed
