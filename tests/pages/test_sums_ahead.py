"""Past days and months of large accounts are summed up before anyone opens a page that shows them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from accounts.models import Developer
from billing import ledger
from calls.charging import day_sums
from calls.dashboard import overview, sums_ahead
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests.calls.rows import describe_call, make_account, make_streaming_number

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
SUMS = ("overview.outcomes", "usage:2026-03", "burn_rate", "billing_ledgerentry")


def settle(number: PhoneNumber, count: int) -> None:
    """Calls that ended yesterday and cost $0.10 each."""
    at = NOW - timedelta(days=1)
    Call.objects.bulk_create(
        describe_call(
            number, at, status="completed", hangup_cause="normal_clearing", ended_at=at, settled_at=at, duration_seconds=60,
            telephony_cost=Decimal("0.1"), carrier_call_id=f"v3:{number.pk}:{place}",
        )
        for place in range(count)
    )  # fmt: skip
    developer_id = number.developer_id
    ledger.post_entry(
        developer_id=developer_id, key=f"payment:{number.pk}", kind="top_up", amount=Decimal(5), description="Top-up",
        at=NOW - timedelta(days=40),
    )  # fmt: skip


def remembered(developer: Developer) -> list[str]:
    return [name for name in SUMS if cache.get(f"past:{developer.pk}:{name}")]


def test_only_accounts_with_many_calls_are_summed_up_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_ahead, "LARGE", 3)
    large, small = make_streaming_number(make_account("0")), make_streaming_number(make_account("0"))
    settle(large, 3)
    settle(small, 2)
    sums_ahead.sum_up(NOW)
    assert remembered(large.developer) == []  # no day is summed up
    day_sums.sum_up(NOW)
    sums_ahead.sum_up(NOW)
    assert remembered(Developer.objects.get(pk=large.developer_id)) == list(SUMS)
    assert remembered(Developer.objects.get(pk=small.developer_id)) == []


def test_a_late_change_is_summed_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_ahead, "LARGE", 1)
    number = make_streaming_number(make_account("0"))
    settle(number, 1)
    day_sums.sum_up(NOW)
    sums_ahead.sum_up(NOW)
    Call.objects.update(telephony_cost=Decimal("0.3"))
    sums_ahead.sum_up(NOW)
    chart = overview.figures(Developer.objects.get(pk=number.developer_id), NOW).chart
    assert chart is not None
    assert [row[1] for row in chart.rows if row[1] != ["$0.00"]] == [["$0.30"]]
