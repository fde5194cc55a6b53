"""Read models of the call pages, prepared for their templates."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Developer
from agents.agent_settings import kinds
from agents.agent_settings.declarations import KINDS, SETTINGS
from bubblyphone.core.money import ZERO, format_money
from calls.after_call.recording_access import playable_recording
from calls.charging import settlement
from calls.charging.call_prices import WHISPER_PRICE_PER_MINUTE
from calls.control.outbound import SETTINGS_WITHOUT_AGENT
from calls.dashboard.conversation_lines import conversation_of
from calls.dashboard.forms import WhisperForm
from calls.dashboard.latency_chart import latency_chart_of
from calls.dashboard.timeline_chart import clock_zero, timeline_chart_of
from calls.dashboard.tool_log import tool_uses
from calls.diagnosis import diagnose
from calls.models import AfterCallWork, Analysis, Call, Transcription
from calls.outcomes import seconds_in_words
from calls.selectors import deliveries_of
from phone_numbers.models import CallMode
from webhooks.models import WebhookDelivery

# An ended call's page keeps refreshing for this long, until it is settled.
SETTLING = timedelta(minutes=4)
SERVER_DECIDES = (
    "Your server answers this call and the carrier speaks. No audio passes through this platform and no agent takes part, so you"
    " cannot listen in, whisper, or take over. You can transfer the call or hang up."
)
SOURCES = {
    "request": "this call's request",
    "agent": "the agent named in the request or lookup",
    "lookup": "the lookup",
    "number_agent": "the number's agent",
    "number": "the number",
    "default": "default",
}


@dataclass(frozen=True, slots=True)
class BillLine:
    """One row of a call's bill. `how` is the arithmetic."""

    label: str
    how: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ConfigLine:
    label: str
    value: str
    source: str


def elapsed_seconds(call: Call) -> int | None:
    """Whole seconds of conversation: final, or so far; None until the call is answered."""
    if call.duration_seconds is not None:
        return call.duration_seconds
    if call.answered_at is None:
        return None
    return max(0, int(((call.ended_at or timezone.now()) - call.answered_at).total_seconds()))


def cost_of(call: Call) -> Decimal:
    """The call's cost in USD; for a running call, its cost if it ended now."""
    return call.total_cost if call.settled_at else settlement.costs(call, elapsed_seconds(call) or 0).total


def bill_lines(call: Call) -> list[BillLine]:
    """The call's cost line by line; for a running call, its cost if it ended now."""
    costs = settlement.costs(call, elapsed_seconds(call) or 0)
    lines = [
        BillLine(
            "Your phone" if call.connect_to else "Telephony",
            _minutes(costs.agent_seconds, call.telephony_rate),
            costs.telephony,
        )
    ]
    if call.transferred_at is not None:
        lines.append(
            BillLine(
                "Both phones" if call.connect_to else "Transfer",
                _minutes(costs.transfer_seconds, call.transfer_rate),
                costs.transfer,
            )
        )
    if call.mode == CallMode.STREAMING:
        lines.append(BillLine("AI model", f"{costs.agent_seconds} s × {_price(call.model_rate)}/min", costs.model))
    if costs.transcription:
        lines.append(BillLine("Transcription", "", costs.transcription))
    if whisper := call.transcription_cost - costs.transcription if call.settled_at else ZERO:
        lines.append(BillLine("Whisper transcription", f"{_price(WHISPER_PRICE_PER_MINUTE)}/min of audio", whisper))
    if call.analysis_cost:
        lines.append(BillLine("Analysis", "", call.analysis_cost))
    return lines


def _minutes(seconds: int, rate: Decimal) -> str:
    return f"{math.ceil(seconds / 60)} min × {_price(rate)}"


def _price(rate: Decimal) -> str:
    return f"${format_money(rate)}"


def config_lines(call: Call) -> list[ConfigLine]:
    """The call's configuration, with the source of each value. Empty and disabled settings are omitted."""
    labels = {entry.name: entry.on_call_page for entry in SETTINGS if entry.on_call_page}
    lines = []
    for name, label in {"model_slug": "Model", **labels}.items():
        if call.connect_to and name not in SETTINGS_WITHOUT_AGENT:
            continue
        entry: dict[str, Any] = call.config.get(name, {})
        value = entry.get("value")
        if value not in (None, "", [], False):
            lines.append(ConfigLine(label, _in_words(name, value), SOURCES.get(str(entry.get("source")), "")))
    return lines


def _in_words(name: str, value: Any) -> str:
    """Labels for values that are codes or seconds in the API."""
    match KINDS.get(name):
        case kinds.Flag():
            return "On"
        case kinds.Whole():
            return seconds_in_words(value)
        case kinds.Choice(words=words):
            return words.get(value, str(value))
    return str(value)


def pretty_config(call: Call, name: str) -> str:
    """A long configuration value as text: the prompt unchanged, tools as JSON; "" if there is none."""
    value = call.config.get(name, {}).get("value")
    if not value:
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def is_settling(call: Call, deliveries: list[WebhookDelivery]) -> bool:
    """Whether the page of a call may still change: webhooks are being sent or retried."""
    if not call.is_over or call.ended_at is None:
        return True
    if any(delivery.status == WebhookDelivery.Status.PENDING for delivery in deliveries):
        return True
    if timezone.now() - call.ended_at >= SETTLING:
        return False
    return call.settled_at is None or _is_worked_on(call)


def _is_worked_on(call: Call) -> bool:
    """Whether its transcription or analysis is still to be made and charged."""
    kinds = (Transcription, Analysis)
    return any(kind.objects.filter(call=call, status=AfterCallWork.Status.PENDING).exists() for kind in kinds)


def live_context(call: Call) -> dict[str, Any]:
    """Everything on a call's page that changes while the call runs."""
    deliveries = list(deliveries_of(call))
    events = list(call.events.all())
    transcript = list(call.transcript.all())
    turns = list(call.turns.all())
    lines = bill_lines(call)
    uses = tool_uses(events, deliveries)
    return {
        "call": call,
        "zero": clock_zero(call),
        "conversation": conversation_of(transcript, uses, turns),
        "events": events,
        "deliveries": deliveries,
        "tool_uses": uses,
        "timeline_chart": timeline_chart_of(call, transcript, events, uses, playable_recording(call)),
        "latency_chart": latency_chart_of(turns),
        "diagnosis": found if (found := diagnose(call, events, deliveries)).is_trouble else None,
        "lines": lines,
        "total": cost_of(call),
        "seconds": elapsed_seconds(call),
        "is_changing": is_settling(call, deliveries),
    }


def follow_context(call: Call) -> dict[str, Any]:
    """What someone who follows a running call can do, and why not more."""
    can_be_heard, why_not = False, ""
    if call.mode == CallMode.WEBHOOK:
        why_not = SERVER_DECIDES
    elif call.is_text:
        why_not = "This is a written test, so there is no audio to listen to."
    elif call.transferred_at is not None:
        why_not = "The call was transferred. The agent and its audio connection are no longer part of it."
    else:
        can_be_heard = True
    has_agent = call.mode == CallMode.STREAMING and call.transferred_at is None
    return {"can_be_heard": can_be_heard, "why_not": why_not, "whisper_form": WhisperForm() if has_agent else None}


def running_calls_of(developer: Developer) -> QuerySet[Call]:
    return Call.objects.filter(developer=developer).running()
