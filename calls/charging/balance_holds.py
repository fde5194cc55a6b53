"""Money that calls are about to need, set aside before it is spent: part of what is `held` of a balance (billing.extension_points.HOLDS).

A hold is computed from the call's row instead of having its own: every process sees the same one, it grows with time, and no
process that dies can leave one behind.
"""

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from bubblyphone.core.money import ZERO
from calls.charging import settlement
from calls.charging.call_prices import TRANSCRIPTION_PRICE
from calls.models import Call
from phone_numbers.models import CallMode

# A running call holds its next minute this long before that minute starts.
AHEAD_SECONDS = 5
BILL_FIELDS = (
    "answered_at", "telephony_rate", "model_rate", "transferred_at", "transfer_rate", "mode", "speech_transcribed",
    "hangup_cause", "config", "end_requested_at", "status", "demo",
)  # fmt: skip
# As `hold_of`, and never less: without the calls' own limits, and with every rate for the whole time. Rounding adds at most $0.0005.
LARGEST_HOLDS = """
SELECT COALESCE(SUM(COALESCE(transfer.rate, 0) + CASE WHEN call.demo THEN 0 ELSE 0.0005
    + CASE WHEN call.mode = 'webhook' THEN %(transcription)s ELSE 0 END
    + GREATEST(1, CEIL((EXTRACT(EPOCH FROM %(now)s - call.answered_at) + %(ahead)s) / 60))
    * (GREATEST(call.telephony_rate, 0) + GREATEST(call.model_rate, 0) + GREATEST(call.transfer_rate, 0)) END), 0)
FROM calls_call call LEFT JOIN calls_transfer transfer
    ON transfer.call_id = call.id AND transfer.answered_at IS NULL AND transfer.failed_at IS NULL
WHERE call.developer_id = %(developer)s AND NOT (call.status IN ('completed', 'failed'))
"""
OWN_CALLS = {
    "account": "",
    **{owner: f"AND call.{owner}_id = %(owner)s" for owner in ("phone_number", "agent", "api_key")},
}


def held(developer_id: int) -> Decimal:
    """The total hold of an account's calls, including the first minute of ringing transfers."""
    now, rings = timezone.now(), Q(transfers__answered_at=None, transfers__failed_at=None)
    calls = open_calls(developer_id).only(*BILL_FIELDS).annotate(ringing=Sum("transfers__rate", filter=rings))
    return sum((hold_of(call, now) + (call.ringing or ZERO) for call in calls), ZERO)


def held_at_most(developer_id: int, owner: str = "account", owner_id: int = 0) -> Decimal:
    """An amount that `held` does not exceed, in one short query without the calls' configurations.

    Only of the calls of a number, an agent or an API key, if one is given (`calls.charging.daily_caps.Scope`).
    """
    values: dict[str, Any] = {
        "now": timezone.now(),
        "ahead": AHEAD_SECONDS,
        "transcription": TRANSCRIPTION_PRICE,
        "developer": developer_id,
        "owner": owner_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(LARGEST_HOLDS + OWN_CALLS[owner], values)
        (largest,) = cursor.fetchone()
    return Decimal(largest)


def open_calls(developer_id: int) -> QuerySet[Call]:
    """Calls that have not ended, from the moment they are stored."""
    return Call.objects.filter(developer_id=developer_id).running()


def hold_of(call: Call, now: datetime) -> Decimal:
    """The first minute of a call; once answered, every minute that has started or is about to.

    Never more than the call's own limits.
    """
    if call.demo:
        return ZERO
    if call.end_requested_at is not None:
        return accrued_cost(call, now)
    ahead = elapsed_seconds(call, now) + AHEAD_SECONDS
    minutes = max(1, math.ceil(ahead / 60))
    cost = settlement.bill(call, settlement.seconds_within_limits(call, 60 * minutes)).total + spoken_cost(call)
    limit = settlement.cost_limit(call)
    return cost if limit is None else min(cost, limit)


def spoken_cost(call: Call) -> Decimal:
    """The transcription fee that the caller's first words would incur, if the call is transcribed and was not charged yet."""
    listens = call.mode == CallMode.WEBHOOK and not call.speech_transcribed and call.end_requested_at is None
    return TRANSCRIPTION_PRICE if listens else ZERO


def accrued_cost(call: Call, now: datetime) -> Decimal:
    """What the call would cost if it ended now."""
    until = now if call.end_requested_at is None else min(now, call.end_requested_at)
    return settlement.bill(call, settlement.billed_seconds(call, until)).total


def elapsed_seconds(call: Call, now: datetime) -> float:
    """Seconds since the call was answered."""
    return max(0.0, (now - call.answered_at).total_seconds()) if call.answered_at else 0.0
