"""Computing and charging a call's costs, once, in the transaction that ends it."""

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from agents.agent_settings.choices import VoicemailAction
from billing import cost_formulas, ledger
from billing.models import LedgerEntry
from bubblyphone.core.money import ZERO
from calls.charging.call_prices import TRANSCRIPTION_PRICE
from calls.models import Call, Direction, HangupCause
from phone_numbers.models import CallMode


@dataclass(frozen=True, slots=True)
class Bill:
    """A call's costs. A transferred call has two phases, each rounded up to started minutes."""

    agent_seconds: int
    transfer_seconds: int
    telephony: Decimal
    transfer: Decimal
    model: Decimal
    transcription: Decimal

    @property
    def total(self) -> Decimal:
        return self.telephony + self.transfer + self.model + self.transcription


def billed_seconds(call: Call, ended_at: datetime) -> int:
    """Seconds from answer to end, rounded up; never beyond the call's limits."""
    return seconds_within_limits(call, _seconds_until(call, ended_at))


def _seconds_until(call: Call, moment: datetime) -> int:
    if call.answered_at is None:
        return 0
    return math.ceil(max(0.0, (moment - call.answered_at).total_seconds()))


def cost_limit(call: Call) -> Decimal | None:
    """The maximum cost of the call by its configuration, in USD."""
    return call.settings.max_cost_per_call


def seconds_within_limits(call: Call, seconds: int) -> int:
    """The part of these seconds within the call's maximum duration and cost limit: time past a limit is never billed."""
    seconds = min(seconds, call.settings.max_call_duration)
    limit = cost_limit(call)
    if limit is None or bill(call, seconds).total <= limit:
        return seconds
    return max(0, bisect_right(range(seconds + 1), limit, key=lambda second: bill(call, second).total) - 1)


def unlimited_cost(call: Call, moment: datetime) -> Decimal:
    """The call's cost at that time, without its own cost limit."""
    return bill(call, _seconds_until(call, moment)).total


def bill(call: Call, seconds: int) -> Bill:
    """The bill of a call of this many billed seconds."""
    agent_seconds = seconds
    if call.transferred_at is not None and call.answered_at is not None:
        until_transfer = math.ceil(max(0.0, (call.transferred_at - call.answered_at).total_seconds()))
        agent_seconds = min(seconds, until_transfer)
    met_machine = was_voicemail(call)
    return Bill(
        agent_seconds=agent_seconds,
        transfer_seconds=seconds - agent_seconds,
        # A call that reaches voicemail and hangs up costs one minute, however long detection took, and no model.
        telephony=cost_formulas.telephony_cost(min(seconds, 60) if met_machine else agent_seconds, call.telephony_rate),
        transfer=cost_formulas.telephony_cost(seconds - agent_seconds, call.transfer_rate),
        model=ZERO if met_machine else cost_formulas.model_cost(agent_seconds, call.model_rate),
        transcription=TRANSCRIPTION_PRICE if call.mode == CallMode.WEBHOOK and call.speech_transcribed else ZERO,
    )


def costs(call: Call, seconds: int) -> Bill:
    """`bill`, without the model cost if the model never spoke."""
    found = bill(call, seconds)
    return replace(found, model=ZERO) if call.is_without_model else found


def was_voicemail(call: Call) -> bool:
    """Whether the call was ended because it reached voicemail and its setting is to hang up."""
    if call.hangup_cause != HangupCause.VOICEMAIL:
        return False  # checked before its configuration, which call lists do not load
    return call.settings.voicemail_action == VoicemailAction.HANGUP


def settle(call: Call, now: datetime) -> None:
    """Set the call's costs and book them.

    The caller holds the call's row lock and saves the call. `call.duration_seconds` is final. Each entry's key is unique, so a repeat
    cannot charge twice.
    """
    bill = costs(call, call.duration_seconds or 0)
    call.telephony_cost = bill.telephony + bill.transfer
    call.model_cost = bill.model
    call.transcription_cost = bill.transcription
    call.settled_at = now
    costs_to_book = [
        ledger.CostLine(f"call:{call.pk}:{name}", kind, amount, what)
        for name, kind, amount, what in _lines(call, bill)
        if amount > ZERO
    ]
    if costs_to_book:
        ledger.book_costs(developer_id=call.developer_id, costs=costs_to_book, at=now)


def _lines(call: Call, costs: Bill) -> list[tuple[str, LedgerEntry.Kind, Decimal, str]]:
    """(name in the entry's key, kind, amount, description)."""
    other_end = f"to {call.to_number}" if call.direction == Direction.OUTBOUND else f"from {call.from_number}"
    title = "Sandbox call" if call.sandbox else f"Call {other_end}"
    kinds = LedgerEntry.Kind
    minutes, transfer_minutes = math.ceil(costs.agent_seconds / 60), math.ceil(costs.transfer_seconds / 60)
    return [
        ("telephony", kinds.TELEPHONY, costs.telephony, f"{title} ({minutes} min)"),
        ("transfer", kinds.TELEPHONY, costs.transfer, f"{title}, transferred ({transfer_minutes} min)"),
        ("model", kinds.MODEL, costs.model, f"{title}, {call.model_slug} ({costs.agent_seconds} s)"),
        ("transcription", kinds.TRANSCRIPTION, costs.transcription, f"{title}, transcription"),
    ]
