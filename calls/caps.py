"""Limits that developers set on their calls (`billing.models.SpendingCap`): who may start, and what ends when a day's money is used up.

A day is UTC's. What counts is what calls cost: those that ended today, and what running ones have accrued. Numbers' months do not.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from accounts import webhooks
from billing import ledger, notices
from billing.models import SpendingCap
from billing.periods import start_of_day
from bubblyphone.core.api import format_time
from bubblyphone.core.errors import InsufficientFunds, TooManyRequests
from bubblyphone.core.money import ZERO, format_money
from calls import lifecycle
from calls.live import in_database
from calls.metering import accrued_cost
from calls.models import Call, CallStatus, HangupCause
from phone_numbers.models import PhoneNumber

logger = logging.getLogger(__name__)
PERIOD_SECONDS = 1.0
RETRY_AFTER_SECONDS = 10
ALERT_PERCENT = (50, 80, 100)
EVENT = "billing.cap.reached"
OVER = [CallStatus.COMPLETED, CallStatus.FAILED]


async def run() -> None:
    """Watch the caps until cancelled; one of the clock's tasks."""
    while True:
        try:
            await in_database(enforce)
        except Exception:
            logger.exception("Caps were not watched for a second.")
        await asyncio.sleep(PERIOD_SECONDS)


def check_start(*, developer_id: int, phone_number_id: int, apart_from: int | None = None) -> None:
    """Whether one more call may begin, in the transaction that begins it; `apart_from` is its row, where there is one.

    Raises InsufficientFunds (`daily_cap_reached`, `number_daily_cap_reached`) and TooManyRequests (`too_many_calls`).
    """
    caps = SpendingCap.objects.filter(developer_id=developer_id, phone_number_id__in=[0, phone_number_id])
    if not caps.exists():
        return
    # Of calls that begin at the same moment the last one that is allowed must be one.
    ledger.lock_developer(developer_id)
    for cap in caps.order_by("phone_number_id"):
        open_calls = _calls_of(cap).exclude(status__in=OVER).exclude(pk=apart_from or 0)
        if cap.max_concurrent_calls is not None and open_calls.count() >= cap.max_concurrent_calls:
            text = (
                f"No more than {cap.max_concurrent_calls} calls may run at the same time; this is a limit of your own."
            )
            raise TooManyRequests(text, RETRY_AFTER_SECONDS, code="too_many_calls")
        if cap.daily_cap is not None and spent_today(cap, timezone.now()) >= cap.daily_cap:
            text = f"Today's calls have reached ${format_money(cap.daily_cap)}; this is a limit of your own."
            raise InsufficientFunds(text, code=f"{'number_' if cap.phone_number_id else ''}daily_cap_reached")


def enforce(now: datetime | None = None) -> None:
    """Tell at 50, 80 and 100 % of a day's cap, and end the calls that cost something when it is reached."""
    now = now or timezone.now()
    running = Call.objects.filter(status=CallStatus.ANSWERED)
    for cap in SpendingCap.objects.filter(daily_cap__isnull=False, developer_id__in=running.values("developer_id")):
        spent = spent_today(cap, now)
        _alert(cap, spent, now)
        if cap.daily_cap is not None and spent >= cap.daily_cap:
            costly = Q(telephony_rate__gt=0) | Q(model_rate__gt=0) | Q(transfer_rate__gt=0)
            for call in _calls_of(cap).filter(costly, status=CallStatus.ANSWERED, end_requested_at=None):
                lifecycle.end_call(call.pk, HangupCause.INSUFFICIENT_BALANCE, at=now)


def spent_today(cap: SpendingCap, now: datetime) -> Decimal:
    """What the cap's calls cost on this day so far."""
    calls = _calls_of(cap)
    costs = F("telephony_cost") + F("model_cost") + F("transcription_cost") + F("analysis_cost")
    ended: Decimal | None = calls.filter(settled_at__gte=start_of_day(now.date())).aggregate(sum=Sum(costs))["sum"]
    running: Iterable[Call] = calls.filter(status=CallStatus.ANSWERED)
    return (ended or ZERO) + sum((accrued_cost(call, now) for call in running), ZERO)


def _calls_of(cap: SpendingCap) -> QuerySet[Call]:
    calls = Call.objects.filter(developer_id=cap.developer_id, demo=False)
    return calls.filter(phone_number_id=cap.phone_number_id) if cap.phone_number_id else calls


def _alert(cap: SpendingCap, spent: Decimal, now: datetime) -> None:
    """By e-mail, and by a webhook to each address that the numbers have; once for each part and day."""
    assert cap.daily_cap is not None
    passed = [percent for percent in ALERT_PERCENT if spent * 100 >= cap.daily_cap * percent]
    if not passed:
        return
    percent, day = max(passed), now.date().isoformat()
    numbers = PhoneNumber.objects.filter(developer_id=cap.developer_id, status=PhoneNumber.Status.ACTIVE)
    if cap.phone_number_id:
        numbers = numbers.filter(pk=cap.phone_number_id)
    amounts = {"cap": format_money(cap.daily_cap), "spent": format_money(spent)}
    context = {"percent": str(percent), **amounts, "link": f"{settings.PUBLIC_URL}/billing"}
    if cap.phone_number_id and (number := numbers.first()):
        context["phone_number"] = number.e164
    with transaction.atomic():
        key = f"cap:{cap.pk}:{day}:{percent}"
        if not notices.tell(developer_id=cap.developer_id, key=key, template="cap_reached", context=context):
            return
        payload: dict[str, Any] = {
            "event": EVENT,
            "phone_number_id": str(cap.phone_number_id) if cap.phone_number_id else None,
            "percent": percent,
            **amounts,
            "currency": "USD",
            "day": day,
            "timestamp": format_time(now),
        }
        # An address that several numbers share gets it once, signed with the secret of the oldest of them.
        for number in {one.webhook_url: one for one in numbers.exclude(webhook_url="").order_by("-pk")}.values():
            webhooks.publish(
                developer_id=cap.developer_id,
                signing_secret_id=number.signing_secret_id,
                subject=f"cap:{cap.pk}",
                event_type=EVENT,
                url=number.webhook_url,
                payload=payload,
            )
