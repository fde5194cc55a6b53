"""Computes the sums of past days and months of large accounts before someone opens a page that shows them.

The sums stay cached (`bubblyphone.core.redis.period_cache`) until a late change, the end of the month, or a restart of Redis. Without this
job, the first page of an account with a million calls would take half a second.
"""

import time
from datetime import datetime

from django.db.models import Sum
from django.utils import timezone

from accounts.models import Developer
from billing import burn_rate, statements
from billing.periods import month_of
from bubblyphone.core.money import ZERO
from calls.charging import usage
from calls.dashboard import overview
from calls.models import CallSums, SummedDay

LARGE = 1_000  # calls on the last summed-up day
SECONDS = 30  # after which the job leaves the remaining accounts to its next run


def sum_up(now: datetime | None = None) -> None:
    """A scheduled job. Reads everything that such a page reads, which computes the sums that are not cached."""
    now, deadline = now or timezone.now(), time.monotonic() + SECONDS
    last = SummedDay.objects.order_by("-day").values_list("day", flat=True).first()
    if last is None:
        return
    calls = CallSums.objects.filter(day=last).values("developer").annotate(total=Sum("calls"))
    large = calls.filter(total__gte=LARGE).order_by("-total", "developer").values_list("developer", flat=True)
    for developer in (Developer.objects.get(pk=pk) for pk in large):
        if time.monotonic() > deadline:
            return
        overview.figures(developer, now)
        usage.measure(developer, month_of(now), now)
        burn_rate.days_left(developer, ZERO, now)
        statements.statements_of(developer, now)
        statements.daily_charges(developer, month_of(now), now)
