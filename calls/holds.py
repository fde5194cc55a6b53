"""Money that calls are about to need, set aside before it is spent: `held` of a balance (settings.HELD).

A hold is worked out from the call's row and is no row of its own: every process sees the same one, it grows by itself, and no
process that dies can leave one behind.
"""

import math
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from bubblyphone.core.money import ZERO
from calls import settlement
from calls.models import Call, CallStatus

# A running call holds its next minute this long before it begins.
AHEAD_SECONDS = 5
OVER = [CallStatus.COMPLETED, CallStatus.FAILED]
BILL_FIELDS = (
    "answered_at", "telephony_rate", "model_rate", "transferred_at", "transfer_rate", "mode", "speech_transcribed",
    "hangup_cause", "config", "end_requested_at", "status",
)  # fmt: skip


def held(developer_id: int) -> Decimal:
    """What all calls of an account hold together."""
    now = timezone.now()
    return sum((hold_of(call, now) for call in open_calls(developer_id).only(*BILL_FIELDS)), ZERO)


def open_calls(developer_id: int) -> QuerySet[Call]:
    """Those that are not over, from the moment they are written down."""
    return Call.objects.filter(developer_id=developer_id).exclude(status__in=OVER)


def hold_of(call: Call, now: datetime) -> Decimal:
    """The call's first minute; from its answer on each minute that has begun or is about to. Never more than its own limit."""
    if call.demo:
        return ZERO
    if call.end_requested_at is not None:
        return accrued_cost(call, now)
    ahead = elapsed_seconds(call, now) + AHEAD_SECONDS
    minutes = max(1, math.ceil(ahead / 60))
    return settlement.bill(call, settlement.affordable_seconds(call, 60 * minutes)).total


def accrued_cost(call: Call, now: datetime) -> Decimal:
    """What the call would cost if it ended now."""
    until = now if call.end_requested_at is None else min(now, call.end_requested_at)
    return settlement.bill(call, settlement.billed_seconds(call, until)).total


def elapsed_seconds(call: Call, now: datetime) -> float:
    """Since the answer."""
    return max(0.0, (now - call.answered_at).total_seconds()) if call.answered_at else 0.0
