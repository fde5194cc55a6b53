"""Calls for tests, without a carrier."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Developer
from agents.agent_settings import resolution
from billing import ledger
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests import factories

# What `ledger verify` finds in every test: truncating the tables requires disabling this trigger (tests/conftest.py).
KNOWN = ["the ledger is not protected: its trigger ledger_is_never_emptied is missing or disabled"]


def make_account(balance: str = "10") -> Developer:
    """A developer with credit."""
    developer = factories.make_developer()
    if Decimal(balance):
        ledger.test_credit(developer_id=developer.pk, amount=Decimal(balance), key=f"test:{developer.pk}")
    return developer


def make_streaming_number(developer: Developer, **fields: Any) -> PhoneNumber:
    return factories.make_phone_number(
        developer=developer,
        **{
            "mode": "streaming",
            "model_slug": "gemini-3.1-flash-live",
            "system_prompt": "Be brief.",
            "webhook_url": "http://127.0.0.1:9/hook",
            **fields,
        },
    )


def make_call(number: PhoneNumber, started_at: datetime, **fields: Any) -> Call:
    """An inbound streaming call at $0.04 per minute for telephony and model each, answered when it started."""
    call = describe_call(number, started_at, **fields)
    call.save()
    return call


def describe_call(number: PhoneNumber, started_at: datetime, **fields: Any) -> Call:
    """The same call, not saved."""
    config = resolution.resolve(request={}, request_agent=None, number=number)
    defaults: dict[str, Any] = {
        "direction": "inbound",
        "from_number": "+15551230000",
        "to_number": number.e164,
        "mode": "streaming",
        "model_slug": config.model_slug,
        "config": config.to_json(),
        "status": "answered",
        "started_at": started_at,
        "answered_at": started_at,
        "session_seen_at": started_at,
        "model_spoke_at": started_at,
        "telephony_rate": Decimal("0.04"),
        "model_rate": Decimal("0.04"),
        "carrier_call_id": f"v3:{number.pk}:{Call.objects.count()}",
    }
    return Call(developer=number.developer, phone_number=number, **{**defaults, **fields})
