"""The GET /billing/usage API: totals, categories, the daily series and the breakdowns."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Developer
from billing import ledger
from billing.periods import month_of
from bubblyphone.core.redis import period_cache
from calls.charging import settlement, usage
from calls.charging.usage import report
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests.calls.rows import describe_call, make_account, make_call, make_streaming_number
from tests.factories import make_agent, make_developer

pytestmark = pytest.mark.django_db
MARCH = month_of(datetime(2026, 3, 5, tzinfo=UTC))


@pytest.fixture
def developer() -> Developer:
    return make_account("100")


def settle(number: PhoneNumber, day: datetime, seconds: int, **fields: Any) -> Call:
    call = make_call(number, day, **fields)
    call.status, call.duration_seconds, call.ended_at = "completed", seconds, day + timedelta(seconds=seconds)
    settlement.settle(call, call.ended_at)
    call.save()
    return call


def buy(number: PhoneNumber, day: datetime, month: str, amount: str) -> None:
    ledger.post_entry(
        developer_id=number.developer_id,
        key=f"number:{number.pk}:{month}",
        kind="number_month",
        amount=-Decimal(amount),
        description=f"Number {number.e164}",
        at=day,
    )


def day(number: int, month: int = 3) -> datetime:
    return datetime(2026, month, number, 12, tzinfo=UTC)


def test_a_month_has_the_documented_shape(developer: Developer) -> None:
    agent = make_agent(developer=developer, name="Support")
    first = make_streaming_number(developer, created_at=day(1, 1))
    second = make_streaming_number(developer, created_at=day(2))
    for number, month in ((first, "2026-03"), (second, "2026-03")):
        buy(number, day(2), month, "3")
    settle(first, day(2), 95, agent=agent)
    settle(first, day(2), 60, model_slug="gpt-realtime-2", model_rate=Decimal("0.06"))
    settle(second, day(31), 30, mode="webhook", model_slug="", model_rate=Decimal(0))
    settle(second, day(31), 61, sandbox=True, telephony_rate=Decimal(0))
    # Not counted: the months before and after, a demo call, another account.
    settle(first, day(28, 2), 600)
    settle(first, day(1, 4), 600)
    settle(first, day(9), 60, demo=True, sandbox=True, telephony_rate=Decimal(0), model_rate=Decimal(0))
    settle(make_streaming_number(make_account()), day(3), 600)

    found = report(developer, MARCH)
    daily = found.pop("daily")
    assert found == {
        "period": "2026-03",
        "total_calls": 4,
        "total_minutes": 6,
        "total_cost": "6.324",  # 6.00 + 0.16 + 0.164
        "phone_numbers": 2,
        "phone_number_cost": "6.00",
        "categories": {
            "telephony": {"cost": "0.16", "minutes": 4, "seconds": 185},
            "ai_model": {"cost": "0.164", "minutes": 5, "seconds": 216},  # 0.063 + 0.06 + 0.041
            "transcription": {"cost": "0.00"},
            "analysis": {"cost": "0.00"},
        },
        "by_number": [
            {"phone_number_id": first.pk, "phone_number": first.e164, "calls": 2, "minutes": 3, "cost": "3.243"},
            {"phone_number_id": second.pk, "phone_number": second.e164, "calls": 2, "minutes": 3, "cost": "3.081"},
        ],
        "by_agent": [
            {"agent_id": None, "name": None, "calls": 3, "minutes": 4, "cost": "0.181"},
            {"agent_id": agent.pk, "name": "Support", "calls": 1, "minutes": 2, "cost": "0.143"},
        ],
        "by_model": [
            {"model": "gemini-3.1-flash-live", "calls": 2, "minutes": 4, "cost": "0.184"},
            {"model": "gpt-realtime-2", "calls": 1, "minutes": 1, "cost": "0.10"},
            {"model": None, "calls": 1, "minutes": 1, "cost": "0.04"},
        ],
    }
    assert [day["date"] for day in daily] == [f"2026-03-{number:02}" for number in range(1, 32)]
    assert {day["date"]: day for day in daily if day["cost"] != "0.00"} == {
        "2026-03-02": {
            "date": "2026-03-02",
            "calls": 2,
            "minutes": 3,
            "cost": "6.243",
            "categories": {"telephony": "0.12", "ai_model": "0.123", "numbers": "6.00"},
        },
        "2026-03-31": {
            "date": "2026-03-31",
            "calls": 2,
            "minutes": 3,
            "cost": "0.081",
            "categories": {"telephony": "0.04", "ai_model": "0.041"},
        },
    }


def test_the_documented_example(developer: Developer) -> None:
    """142 calls of two billed minutes to the US. Half use a model at $0.04, and one of these is 15 s shorter. Two numbers."""
    numbers = [make_streaming_number(developer, created_at=day(2)) for _ in range(2)]
    for number in numbers:
        buy(number, day(2), "2026-03", "3")
    outbound: dict[str, Any] = {"direction": "outbound", "telephony_rate": Decimal("0.05")}
    for index in range(142):
        model: dict[str, Any] = {} if index % 2 else {"mode": "webhook", "model_slug": "", "model_rate": Decimal(0)}
        call = describe_call(numbers[0], day(3), **outbound, **model, carrier_call_id=str(index))
        call.status, call.duration_seconds, call.ended_at = "completed", 105 if index == 1 else 120, day(3)
        call.save()
        settlement.settle(call, day(3))
        call.save()
    found = report(developer, MARCH)
    categories = found["categories"]
    assert {name: found[name] for name in ("period", "total_calls", "total_minutes", "total_cost")} == {
        "period": "2026-03", "total_calls": 142, "total_minutes": 284, "total_cost": "25.87",
    }  # fmt: skip
    assert (found["phone_numbers"], found["phone_number_cost"]) == (2, "6.00")
    assert (categories["telephony"]["cost"], categories["telephony"]["minutes"]) == ("14.20", 284)
    assert (categories["ai_model"]["cost"], categories["ai_model"]["minutes"]) == ("5.67", 142)


def test_the_model_costs_nothing_after_a_transfer(developer: Developer) -> None:
    number = make_streaming_number(developer)
    handed_over = day(3) + timedelta(seconds=30)
    settle(number, day(3), 150, transferred_at=handed_over, transfer_rate=Decimal("0.05"))
    found = report(developer, MARCH)["categories"]
    assert found["telephony"] == {"cost": "0.14", "minutes": 3, "seconds": 150}  # one minute at 0.04, two at 0.05
    assert found["ai_model"] == {"cost": "0.02", "minutes": 1, "seconds": 30}


def test_the_current_month_is_the_default_and_ends_today(empty_redis: object) -> None:
    client = APIClient()
    client.force_authenticate(make_developer())
    now = timezone.now()
    found = client.get("/api/v1/billing/usage").json()["data"]
    assert found["period"] == now.strftime("%Y-%m")
    assert len(found["daily"]) == now.day
    assert (found["total_calls"], found["total_minutes"], found["total_cost"]) == (0, 0, "0.00")
    assert client.get("/api/v1/billing/usage?period=2031-01").json()["data"]["daily"] == []


def test_the_cached_total_of_past_days_is_the_sum_of_all_calls(empty_redis: object) -> None:
    developer = make_account("100")
    number = make_streaming_number(developer, agent=make_agent(developer=developer))
    other = make_streaming_number(developer)

    def found(now: datetime) -> tuple[usage.Usage, usage.Usage]:
        """With the cache of earlier questions, and without any."""
        current = Developer.objects.get(pk=developer.pk)
        remembered = usage.measure(current, MARCH, now)
        period_cache.forget()
        return remembered, usage.measure(current, MARCH, now)

    settle(number, day(2), 95)
    settle(other, day(3), 60)
    buy(number, day(3), "2026-03", "3")
    for hours, calls in ((0, 2), (1, 3), (13, 4), (40, 5)):
        if hours:
            settle(number, day(4) + timedelta(hours=hours - 1), 30)
        remembered, computed = found(day(4) + timedelta(hours=hours))
        assert remembered == computed
        assert (computed.total.calls, computed.by_number[other.pk].cost) == (calls, Decimal("0.08"))
        assert usage.measure(Developer.objects.get(pk=developer.pk), MARCH, day(4) + timedelta(hours=hours)) == computed


@pytest.mark.parametrize("period", ["2026-13", "2026-3", "202603", "last", "2026-03-01", "1999-12"])
def test_an_invalid_month_is_refused(period: str, empty_redis: object) -> None:
    client = APIClient()
    client.force_authenticate(make_developer())
    response = client.get("/api/v1/billing/usage", {"period": period})
    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["period"]
