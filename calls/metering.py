"""Every second: what running calls have accrued together, against the balance; and the longest a call may last.

Runs in the clock process, so that it holds however many server processes there are and whatever becomes of them.
"""

import asyncio
import logging
import math
from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from billing import ledger
from bubblyphone.core.money import ZERO
from calls import lifecycle, settlement
from calls.live import in_database
from calls.models import Call, CallStatus, HangupCause

logger = logging.getLogger(__name__)
PERIOD_SECONDS = 1.0
BILL_FIELDS = (
    "answered_at", "telephony_rate", "model_rate", "transferred_at", "transfer_rate", "mode", "speech_transcribed",
    "hangup_cause",
)  # fmt: skip


async def run() -> None:
    """Meter until cancelled."""
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await in_database(meter_once)
        except Exception:
            logger.exception("Metering failed for a second.")
        await asyncio.sleep(max(0.0, PERIOD_SECONDS - (asyncio.get_running_loop().time() - began)))


def meter_once(now: datetime | None = None) -> None:
    """End the calls whose account has run out, and those that have lasted long enough."""
    now = now or timezone.now()
    running = Call.objects.filter(status=CallStatus.ANSWERED, end_requested_at=None).only(
        *BILL_FIELDS, "developer_id", "config"
    )
    by_developer: dict[int, list[Call]] = defaultdict(list)
    for call in running:
        if elapsed_seconds(call, now) >= int(call.config["max_call_duration"]["value"]):
            lifecycle.end_call(call.pk, HangupCause.MAX_DURATION, at=now)
        else:
            by_developer[call.developer_id].append(call)
    for developer_id, calls in by_developer.items():
        accrued = sum((accrued_cost(call, now) for call in calls), ZERO)
        if accrued > ZERO and ledger.balance(developer_id) - accrued <= ZERO:
            for call in calls:
                if call.telephony_rate > ZERO or call.model_rate > ZERO or call.transfer_rate > ZERO:
                    lifecycle.end_call(call.pk, HangupCause.INSUFFICIENT_BALANCE, at=now)


def running_cost(developer_id: int) -> Decimal:
    """What a developer's running calls would cost if they all ended now: spent already, though not in the ledger yet."""
    now = timezone.now()
    running = Call.objects.filter(developer_id=developer_id, status=CallStatus.ANSWERED)
    return sum((accrued_cost(call, now) for call in running), ZERO)


def elapsed_seconds(call: Call, now: datetime) -> float:
    """Since the answer."""
    return max(0.0, (now - call.answered_at).total_seconds()) if call.answered_at else 0.0


def accrued_cost(call: Call, now: datetime) -> Decimal:
    """What the call would cost if it ended now."""
    seconds = math.ceil(elapsed_seconds(call, now))
    return settlement.bill(call, seconds).total
