"""Every second: check daily caps, notify their owners, and end calls beyond them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from bubblyphone.core.money import format_money
from calls import timeline
from calls.charging import cap_alerts
from calls.charging.daily_caps import daily_caps, spent_today, with_owners
from calls.clock.repetition import repeat
from calls.control import lifecycle
from calls.models import Call, CallStatus, HangupCause

PERIOD_SECONDS = 1.0
# Calls that have ended since may not have been checked: their last cost may have passed a threshold.
RECENT = timedelta(seconds=10)
COSTLY = Q(telephony_rate__gt=0) | Q(model_rate__gt=0) | Q(transfer_rate__gt=0)


async def run() -> None:
    """Check caps until canceled; one of the clock's tasks."""
    await repeat(enforce, PERIOD_SECONDS, "Enforcing caps failed for one second")


def enforce(now: datetime | None = None) -> None:
    """Notify at 50, 80 and 100% of a daily cap. At 100%, end the calls that cost something."""
    now = now or timezone.now()
    running = with_owners(Call.objects.filter(status=CallStatus.ANSWERED, demo=False))
    ended = with_owners(Call.objects.filter(settled_at__gte=now - RECENT, demo=False))
    for cap, spent in spent_today(daily_caps([*running, *ended]), now).items():
        cap_alerts.tell(cap, spent, now)
        if spent >= cap.amount:
            for call in cap.calls().filter(COSTLY, status=CallStatus.ANSWERED, end_requested_at=None):
                end_for_limit(call, cap.reason, cap.amount, at=now)


def end_for_limit(call: Call, reason: str, limit: Decimal, *, at: datetime) -> None:
    """End a call because of one of the developer's limits, which its timeline names. Does nothing if it has ended."""
    with transaction.atomic():
        fresh = Call.objects.get_for_update(call.pk)
        if fresh.is_over or fresh.end_requested_at is not None:
            return
        what: dict[str, Any] = {"reason": reason, "limit": format_money(limit)}
        timeline.add_event(fresh.pk, "limit.reached", "system", at=at, **what)
        lifecycle.request_end(fresh, HangupCause.INSUFFICIENT_BALANCE, at=at)
