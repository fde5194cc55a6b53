"""Alerts when 50, 80 or 100% of a daily cap is used: by email and webhook, once per cap, amount, percentage and day."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import ApiKey
from agents.models import Agent
from billing import notices
from bubblyphone.core.api.views import format_time
from bubblyphone.core.money import format_money
from calls.charging.daily_caps import DailyCap, Scope
from phone_numbers.models import PhoneNumber
from webhooks import outbox

ALERT_PERCENT = (50, 80, 100)
EVENT = "billing.cap.reached"


def tell(cap: DailyCap, spent: Decimal, now: datetime) -> None:
    """Report the highest percentage reached, unless it was already reported today for a cap of this amount."""
    passed = [percent for percent in ALERT_PERCENT if spent * 100 >= cap.amount * percent]
    if not passed:
        return
    percent, day = max(passed), now.date().isoformat()
    amounts = {"cap": format_money(cap.amount), "spent": format_money(spent)}
    context = {
        "percent": str(percent),
        **amounts,
        "which_calls": _which_calls(cap),
        "link": f"{settings.PUBLIC_URL}/billing/caps",
    }
    with transaction.atomic():
        key = f"cap:{cap.scope}:{cap.target_id}:{day}:{percent}:{amounts['cap']}"
        if notices.send_once(developer_id=cap.developer_id, key=key, template="cap_reached", context=context):
            _publish(cap, {"percent": percent, **amounts, "currency": "USD", "day": day, "timestamp": format_time(now)})


def _publish(cap: DailyCap, facts: dict[str, Any]) -> None:
    """To the account, and to each webhook URL of the affected numbers.

    A URL shared by several numbers gets it once, signed with the oldest number's secret.
    """
    owners = {
        f"{scope}_id": str(cap.target_id) if cap.scope is scope else None
        for scope in (Scope.NUMBER, Scope.AGENT, Scope.API_KEY)
    }
    numbers = {one.webhook_url: one for one in _numbers_of(cap).order_by("-pk")}.values()
    outbox.publish(
        developer_id=cap.developer_id,
        subject=f"cap:{cap.scope}:{cap.target_id}",
        event_type=EVENT,
        payload={"event": EVENT, "scope": str(cap.scope), **owners, **facts},
        to=[outbox.Address(number.webhook_url, number.signing_secret_id) for number in numbers],
    )


def _numbers_of(cap: DailyCap) -> QuerySet[PhoneNumber]:
    numbers = PhoneNumber.objects.filter(developer_id=cap.developer_id, status=PhoneNumber.Status.ACTIVE)
    own = {Scope.NUMBER: {"pk": cap.target_id}, Scope.AGENT: {"agent_id": cap.target_id}}
    return numbers.filter(**own.get(cap.scope, {})).exclude(webhook_url="")


def _which_calls(cap: DailyCap) -> str:
    """Which calls, as the email says it: "your calls …"."""
    if cap.scope is Scope.NUMBER:
        return f"on {PhoneNumber.objects.get(pk=cap.target_id).e164}"
    if cap.scope is Scope.AGENT:
        return f"with the agent “{Agent.objects.get(pk=cap.target_id).name}”"
    if cap.scope is Scope.API_KEY:
        return f"with the API key “{ApiKey.objects.get(pk=cap.target_id).label}”"
    return ""
