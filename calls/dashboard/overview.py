"""The figures of the overview: today, the last 30 days, and what needs attention."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate

from accounts.models import Developer
from billing import billing_switch
from billing.models import AutoTopUp, LedgerEntry
from billing.periods import is_past, start_of_day
from bubblyphone.core.money import ZERO, format_money
from bubblyphone.core.pages.charts import Chart, stacked_bars
from bubblyphone.core.redis import period_cache
from bubblyphone.core.templatetags.ui import phone
from calls.charging.call_figures import TROUBLE
from calls.charging.call_prices import MINIMUM_BALANCE
from calls.charging.daily_caps import Scope, all_daily_caps, spent_today
from calls.models import Call, CallStatus, Direction, HangupCause, Outcome
from calls.outcomes import OUTCOMES
from phone_numbers.countries import country_name
from phone_numbers.models import PhoneNumber, Verification
from phone_numbers.selectors import numbers_of
from webhooks.models import WebhookDelivery

DAYS = 30
RECENT = timedelta(days=1)  # older failed webhooks are not shown
MOST_NUMBERS = 5  # unpaid numbers that are listed
MOST_COUNTED = 1000  # failed webhooks, newest first
REJECTED_RECENTLY = timedelta(days=14)
EXPIRES_SOON = timedelta(days=30)
CATEGORIES = {
    "telephony_cost": "Telephony",
    "model_cost": "AI model",
    "transcription_cost": "Transcription",
    "analysis_cost": "Analysis",
}


# Only the last calls, because it is about the current answer times.
ANSWER_TIMES = """
SELECT percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY total_ms) FROM calls_callturn
WHERE call_id IN (SELECT id FROM calls_call WHERE developer_id = %s ORDER BY id DESC LIMIT 200)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Today (UTC) and the last 30 days of an account. Rates in percent; None without data."""

    calls_today: int
    minutes_today: int
    cost_today: Decimal
    success_rate: int | None  # of all calls, those not ended by a problem
    pick_up_rate: int | None  # of outbound calls, those that were answered
    outcomes: list[tuple[str, str, int]]  # outcomes of outbound calls: value, in words, and how many
    # Median and 95th percentile of the time from a caller's last word to the agent's first.
    answer_ms: tuple[int, int] | None
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that needs the developer's attention, and a link to it."""

    text: str
    url_name: str
    action: str
    is_urgent: bool = False


def figures(developer: Developer, now: datetime) -> Figures:
    """One query for calls and one for turns; past days are cached."""
    today = now.date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    rows = period_cache.recall(
        "overview.outcomes", developer, days, lambda day: is_past(day, now), lambda missing: _by_day(developer, missing)
    )
    total = {name: sum(row.get(name, 0) for row in rows.values()) for name in ("calls", "good", "dialed", "picked_up")}
    latest = rows[today]
    series = {title: [rows[day].get(name) or ZERO for day in days] for name, title in CATEGORIES.items()}
    return Figures(
        calls_today=latest.get("calls", 0),
        minutes_today=latest.get("minutes") or 0,
        cost_today=sum((values[-1] for values in series.values()), ZERO),
        success_rate=_percent(total["good"], total["calls"]),
        pick_up_rate=_percent(total["picked_up"], total["dialed"]),
        outcomes=[
            (outcome.value, words, count)
            for outcome, words in OUTCOMES.items()
            if (count := sum(row.get(outcome.value, 0) for row in rows.values()))
        ],
        answer_ms=_answer_times(developer),
        chart=stacked_bars("Cost of calls, last 30 days", [f"{day:%b %-d}" for day in days], series),
    )


def _by_day(developer: Developer, days: list[date]) -> dict[date, Mapping[str, Any]]:
    """The calls that ended on each day; days without calls are omitted."""
    calls = Call.objects.filter(developer=developer, demo=False, settled_at__gte=start_of_day(min(days))).order_by()
    answered, outbound = Q(status=CallStatus.COMPLETED), Q(direction=Direction.OUTBOUND)
    rows = (
        calls.annotate(day=TruncDate("settled_at", tzinfo=UTC))
        .values("day")
        .annotate(
            calls=Count("settled_at"),
            good=Count("settled_at", filter=answered & ~Q(hangup_cause__in=TROUBLE)),
            dialed=Count("settled_at", filter=outbound & ~Q(hangup_cause=HangupCause.CANCELED)),
            picked_up=Count("settled_at", filter=outbound & answered & Q(voicemail_detected=False)),
            **{outcome.value: Count("settled_at", filter=Q(outcome=outcome)) for outcome in Outcome},
            minutes=Sum((F("duration_seconds") + 59) / 60, filter=answered),
            **{name: Sum(name) for name in CATEGORIES},
        )
    )
    found: dict[date, Mapping[str, Any]] = {row["day"]: row for row in rows}
    return {day: found.get(day, {}) for day in days}


def _answer_times(developer: Developer) -> tuple[int, int] | None:
    with connection.cursor() as cursor:
        cursor.execute(ANSWER_TIMES, [developer.pk])
        (found,) = cursor.fetchone()
    return (found[0], found[1]) if found else None


def _percent(part: int, whole: int) -> int | None:
    return round(100 * part / whole) if whole else None


def attention(developer: Developer, balance: Decimal, now: datetime) -> list[Attention]:
    """Current and upcoming problems, most urgent first."""
    found = [
        *(_of_balance(developer, balance) if billing_switch.is_on() else ()),
        *_of_limits(developer, now),
        *(_of_numbers(developer) if billing_switch.is_on() else ()),
        *_of_papers(developer, now),
        *_of_webhooks(developer, now),
    ]
    return sorted(found, key=lambda one: not one.is_urgent)


def _of_balance(developer: Developer, balance: Decimal) -> Iterator[Attention]:
    # A new account's first steps say that it needs credit.
    if balance < MINIMUM_BALANCE and (balance or LedgerEntry.objects.filter(developer=developer).exists()):
        yield Attention(
            f"Your balance is below ${format_money(MINIMUM_BALANCE)}. Calls cannot start.",
            "billing", "Add credit", is_urgent=True,
        )  # fmt: skip
    if AutoTopUp.objects.filter(developer=developer, enabled=False).exclude(failed_at=None).exists():
        text = "Your card was declined. Automatic top-ups are off."
        yield Attention(text, "billing", "Go to billing", is_urgent=True)


def _of_limits(developer: Developer, now: datetime) -> Iterator[Attention]:
    names = {Scope.NUMBER: "a number's", Scope.AGENT: "an agent's", Scope.API_KEY: "an API key's"}
    spent = spent_today(all_daily_caps(developer), now)
    for scope in dict.fromkeys(cap.scope for cap in spent if spent[cap] >= cap.amount):
        whose = names.get(scope, "your")
        yield Attention(f"Today's calls have reached {whose} daily limit.", "caps", "View limits", is_urgent=True)


def _of_numbers(developer: Developer) -> Iterator[Attention]:
    unpaid = numbers_of(developer).filter(unpaid_since__isnull=False)
    for number in unpaid.order_by("-pk")[:MOST_NUMBERS]:
        if number.status == PhoneNumber.Status.SUSPENDED:
            text = f"{phone(number.e164)} is suspended until its renewal is paid."
        else:
            text = f"{phone(number.e164)} could not be renewed and will be suspended."
        yield Attention(text, "billing", "Add credit", is_urgent=True)


def _of_papers(developer: Developer, now: datetime) -> Iterator[Attention]:
    soon = Q(status=Verification.Status.APPROVED, expires_on__lte=now.date() + EXPIRES_SOON)
    rejected = Q(status=Verification.Status.REJECTED, reviewed_at__gte=now - REJECTED_RECENTLY)
    found = list(Verification.objects.filter(soon | rejected, developer=developer))
    for verification in (one for one in found if one.status == Verification.Status.APPROVED):
        whose = f"Your documents for {country_name(verification.country_code)}"
        text = f"{whose} {'expired' if verification.is_expired else 'expire'} on {verification.expires_on:%B %-d}."
        yield Attention(text, "countries", "View countries", is_urgent=verification.is_expired)
    if any(one.status == Verification.Status.REJECTED for one in found):
        yield Attention("Your documents were rejected.", "countries", "View reason")


def _of_webhooks(developer: Developer, now: datetime) -> Iterator[Attention]:
    failed = WebhookDelivery.objects.filter(developer=developer, status=WebhookDelivery.Status.FAILED)
    latest = failed.order_by("-pk").values_list("created_at", flat=True)[: MOST_COUNTED + 1]
    if count := sum(created_at >= now - RECENT for created_at in latest):
        many = f"{count} webhooks" if count <= MOST_COUNTED else f"More than {MOST_COUNTED:,} webhooks"
        what = "1 webhook" if count == 1 else many
        yield Attention(f"{what} failed in the last 24 hours.", "webhooks", "View deliveries", is_urgent=True)
