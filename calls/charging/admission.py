"""Whether another call can start: checks the balance and the developer's own limits."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from accounts.selectors import refuse_deactivated
from billing import destinations, ledger
from billing.models import SpendingCap
from bubblyphone.core.errors import InsufficientFunds, TooManyRequests
from bubblyphone.core.money import ZERO, format_money
from calls.charging import balance_holds, settlement
from calls.charging.call_prices import MINIMUM_BALANCE
from calls.charging.daily_caps import DailyCap, Scope, caps_of, daily_caps
from calls.models import Call, Direction, HangupCause
from calls.policy import gate
from phone_numbers.carriers.registry import account_id_of
from phone_numbers.models import PhoneNumber

RETRY_AFTER_SECONDS = 10
CALLER_WINDOW = timedelta(hours=1)


def admit(call: Call) -> None:
    """Let a call begin, or refuse it: before it is saved, in the transaction that saves it.

    From then on the call holds its first minute (`calls.charging.balance_holds`). Of calls that begin at the same moment, in any
    process, each sees the holds of those before it, because this locks the account. Sets the rate of an outbound call. Raises
    Forbidden (account deactivated, destination refused), InsufficientFunds and TooManyRequests, whose `code` names the reason.
    """
    now = timezone.now()
    refuse_deactivated(ledger.lock_developer(call.developer_id))
    if call.direction == Direction.OUTBOUND:
        call.telephony_rate = _rate_to(call, call.to_number)
        gate.check(call.developer, call.to_number, now=now)
    ledger.require_balance(call.developer_id, max(MINIMUM_BALANCE, balance_holds.hold_of(call, now)))
    _check_cost_limit(call)
    limits = SpendingCap.objects.filter(developer_id=call.developer_id).first()
    if limits is not None:
        _check_account_limits(call, limits, now)
    _check_number_limits(call)
    _check_caps(caps_of(call, limits), now)


def check_daily_caps(call: Call, now: datetime, *, scopes: Collection[Scope] = tuple(Scope)) -> None:
    """Raises InsufficientFunds, whose `code` names the reason, if a daily cap of these scopes is reached."""
    _check_caps((cap for cap in daily_caps([call]) if cap.scope in scopes), now)


def _check_caps(caps: Iterable[DailyCap], now: datetime) -> None:
    for cap in sorted(caps, key=lambda cap: list(Scope).index(cap.scope)):
        if _is_reached(cap, now):
            raise InsufficientFunds(
                f"Calls have reached ${format_money(cap.amount)} today, the daily cap that applies to this call.",
                code=cap.reason,
            )


def _is_reached(cap: DailyCap, now: datetime) -> bool:
    """Whether its calls have used, and hold, the whole cap. Holds are read first: a call that ends meanwhile counts twice, not never."""
    largest = balance_holds.held_at_most(cap.developer_id, cap.scope, cap.target_id)
    if largest + cap.settled(now) < cap.amount:
        return False
    held = sum((balance_holds.hold_of(other, now) for other in cap.calls().running()), ZERO)
    return held + cap.settled(now) >= cap.amount


def admit_transfer(call: Call, to: str) -> Decimal:
    """Admit a transfer, or refuse it: the other leg is charged by started minutes.

    The call's row is locked. Returns the rate from then on: the leg's, or that of both legs if the user was called first
    (`calls.control.call_me_first`). Raises Forbidden and InsufficientFunds, whose `code` names the reason. A model may read the message to
    the caller, so it does not mention the account.
    """
    refuse_deactivated(ledger.lock_developer(call.developer_id))
    rate = _rate_to(call, to) + (call.telephony_rate if call.connect_to else ZERO)
    gate.check(call.developer, to, now=timezone.now(), is_configured=to == call.settings.transfer_number)
    if not ledger.is_available(call.developer_id, rate):
        raise InsufficientFunds("Your balance is too low for the first minute of the transfer.")
    limit = settlement.cost_limit(call)
    if limit is not None and balance_holds.accrued_cost(call, timezone.now()) + rate > limit:
        text = "`max_cost_per_call` does not cover the first minute of the transfer."
        raise InsufficientFunds(text, code="max_cost_per_call_too_low")
    return rate


def admit_fallback(call: Call, number: PhoneNumber) -> Decimal:
    """Admit placing an admitted call from another number; returns its rate there.

    The call's row is locked. Raises Forbidden, and InsufficientFunds if the first minute costs more there and the balance does not cover
    it.
    """
    ledger.lock_developer(call.developer_id)
    call.carrier = number.carrier
    rate = _rate_to(call, call.to_number)
    if not ledger.is_available(call.developer_id, rate - call.telephony_rate):
        raise InsufficientFunds("Your balance is too low for the first minute of this call.")
    call.telephony_rate = rate
    _check_cost_limit(call)
    return rate


def _rate_to(call: Call, to: str) -> Decimal:
    """Our price per minute to that number: zero if the developer's own carrier account is billed. Raises Forbidden."""
    rate = destinations.rate_to(to, developer_id=call.developer_id, at=call.started_at)
    return rate if account_id_of(call.carrier) is None else ZERO


def _check_cost_limit(call: Call) -> None:
    """Refuse a call whose cost limit does not cover its first minute."""
    limit = settlement.cost_limit(call)
    begun: Decimal = settlement.bill(call, 1).total
    if limit is not None and begun > limit:
        text = f"The first minute of this call costs ${format_money(begun)}, which is more than `max_cost_per_call` allows."
        raise InsufficientFunds(text, code="max_cost_per_call_too_low")


def _check_account_limits(call: Call, limits: SpendingCap, now: datetime) -> None:
    if limits.max_concurrent_calls is not None:
        _check_open_calls(
            balance_holds.open_calls(call.developer_id).count(), limits.max_concurrent_calls, "too_many_calls"
        )
    per_caller = limits.max_calls_per_caller_per_hour
    if per_caller is not None and call.direction == Direction.INBOUND and not call.sandbox:
        before = Call.objects.filter(
            developer_id=call.developer_id,
            from_number=call.from_number,
            sandbox=False,
            started_at__gt=now - CALLER_WINDOW,
            direction=Direction.INBOUND,
        )
        # Calls refused by this limit do not count, or a caller who keeps trying would never get through again.
        if before.exclude(end_requested_cause=HangupCause.REJECTED).count() >= per_caller:
            text = f"{call.from_number} has reached your limit of {per_caller} calls per hour."
            raise TooManyRequests(text, int(CALLER_WINDOW.total_seconds()), code="too_many_calls_from_caller")


def _check_number_limits(call: Call) -> None:
    number = call.phone_number
    if number is not None and number.max_concurrent_calls is not None:
        running = balance_holds.open_calls(call.developer_id).filter(phone_number=number).count()
        _check_open_calls(running, number.max_concurrent_calls, "number_too_many_calls")


def _check_open_calls(running: int, limit: int, code: str) -> None:
    if running >= limit:
        calls = "1 call" if limit == 1 else f"{limit} calls"
        text = f"Your limit of {calls} at the same time is reached."
        raise TooManyRequests(text, RETRY_AFTER_SECONDS, code=code)
