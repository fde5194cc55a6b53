"""Numbers and calls for the tests of pages."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import Developer
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests.factories import make_phone_number


def make_number(developer: Developer, e164: str = "", **fields: Any) -> PhoneNumber:
    return make_phone_number(developer=developer, e164=e164, **fields)


def make_call(developer: Developer, number: PhoneNumber | None, **fields: Any) -> Call:
    ended = timezone.now()
    defaults = {
        "direction": "inbound",
        "from_number": "+19075550101",
        "to_number": number.e164 if number else "demo",
        "mode": "streaming",
        "model_slug": "gemini-3.1-flash-live",
        "status": "completed",
        "hangup_cause": "normal_clearing",
        "started_at": ended - timedelta(seconds=97),
        "answered_at": ended - timedelta(seconds=95),
        "ended_at": ended,
        "settled_at": ended,
        "duration_seconds": 95,
        "telephony_rate": Decimal("0.04"),
        "model_rate": Decimal("0.04"),
        "telephony_cost": Decimal("0.08"),
        "model_cost": Decimal("0.063"),
        "config": {"system_prompt": {"value": "You sell <b>bread</b>.", "source": "number"}},
    }
    return Call.objects.create(developer=developer, phone_number=number, **{**defaults, **fields})


def number_form(**changes: str) -> dict[str, str]:
    """The form that a browser sends for a number without any settings."""
    empty = dict.fromkeys(
        [
            "label", "agent_id", "model", "model_key_id", "system_prompt", "greeting_message", "voice", "language", "tools",
            "tool_webhook_url", "webhook_url", "max_call_duration", "silence_timeout", "transfer_number", "voicemail_action",
            "first_speaker",
        ],
        "",
    )  # fmt: skip
    return {
        **empty,
        "mode": "nobody",
        "hang_up_tool": "on",
        "auto_transfer_tool": "on",
        "keypad_tool": "on",
        "interruptible": "on",
        "silence_prompt": "on",
        **changes,
    }
