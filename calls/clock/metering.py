"""Every second: compares the accrued cost of running calls with the balance and with their own limits of time and money, and checks
whether staff deactivated the account. Runs in the clock process, so it works for any number of server processes. A call that could not
pay until the next check is ended at this one, so no account goes below zero in between.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from billing import ledger
from bubblyphone.core.database.snapshots import one_state
from bubblyphone.core.money import ZERO
from calls.charging import settlement
from calls.charging.balance_holds import BILL_FIELDS, accrued_cost, elapsed_seconds, spoken_cost
from calls.clock.cap_enforcement import end_for_limit
from calls.clock.repetition import repeat
from calls.control import lifecycle
from calls.models import Call, CallStatus, HangupCause
from phone_numbers.charging import purchases

PERIOD_SECONDS = 1.0


async def run() -> None:
    """Meter until canceled."""
    await repeat(meter_once, PERIOD_SECONDS, "Metering failed for one second")


def meter_once(now: datetime | None = None) -> None:
    """End calls whose account was deactivated or has run out of funds, and calls that reached their own limits."""
    now = now or timezone.now()
    end_calls_of_deactivated(now)
    calls_of, funds_of = _answered_calls_and_funds()
    for developer_id, calls in calls_of.items():
        # Calls that are ending still count until they are in the ledger.
        running = [call for call in calls if call.end_requested_at is None and not _end_at_own_limit(call, now)]
        if running and _has_run_out(funds_of[developer_id], calls, now):
            for call in running:
                if is_costly(call):
                    lifecycle.end_call(call.pk, HangupCause.INSUFFICIENT_BALANCE, at=now)


def end_calls_of_deactivated(now: datetime) -> None:
    """In any state, because staff stopped them. (`calls.account_deletion` ends those of deleted accounts.)"""
    calls = Call.objects.filter(developer__is_active=False, developer__closed_at=None, end_requested_at=None)
    for call_id in calls.running().values_list("pk", flat=True):
        lifecycle.end_call(call_id, HangupCause.ACCOUNT_DEACTIVATED, at=now)


def is_costly(call: Call) -> bool:
    """Whether more time costs more money."""
    return call.telephony_rate > ZERO or call.model_rate > ZERO or call.transfer_rate > ZERO


def _answered_calls_and_funds() -> tuple[dict[int, list[Call]], dict[int, Decimal]]:
    """Calls by account, and the funds of each account: read at one moment, because a call that ends in between would count twice."""
    with one_state():
        calls_of: dict[int, list[Call]] = defaultdict(list)
        for call in Call.objects.filter(status=CallStatus.ANSWERED).only(*BILL_FIELDS, "developer_id"):
            calls_of[call.developer_id].append(call)
        funds, held = ledger.funds(calls_of), purchases.held_by(calls_of)
    return calls_of, {pk: amount - held.get(pk, ZERO) for pk, amount in funds.items()}


def _has_run_out(funds: Decimal, calls: Iterable[Call], now: datetime) -> bool:
    soon = _next_look(now)
    accrued_soon = sum((accrued_cost(call, soon) + spoken_cost(call) for call in calls), ZERO)
    if accrued_soon == ZERO:
        return False
    return funds <= sum((accrued_cost(call, now) for call in calls), ZERO) or funds < accrued_soon


def _end_at_own_limit(call: Call, now: datetime) -> bool:
    """Maximum duration and maximum cost. True if the call was ended."""
    if elapsed_seconds(call, now) >= call.settings.max_call_duration:
        lifecycle.end_call(call.pk, HangupCause.MAX_DURATION, at=now)
        return True
    limit = settlement.cost_limit(call)
    if limit is None or settlement.unlimited_cost(call, _next_look(now)) <= limit:
        return False
    end_for_limit(call, "max_cost_per_call_reached", limit, at=now)
    return True


def _next_look(now: datetime) -> datetime:
    return now + timedelta(seconds=PERIOD_SECONDS)
