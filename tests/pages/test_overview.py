"""The overview: its figures, what needs attention, and its number of queries."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Developer
from billing import ledger
from billing.caps import set_limits
from billing.models import AutoTopUp
from calls.dashboard.overview import MOST_NUMBERS, attention, figures
from calls.dashboard.overview_views import RECENT
from calls.models import Call, CallTurn
from phone_numbers.models import PhoneNumber, Verification
from tests.calls.rows import describe_call, make_account, make_streaming_number
from webhooks.models import WebhookDelivery
from webhooks.outbox import Address, publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
QUERIES_AT_MOST = 19  # with a daily cap


@pytest.fixture
def number() -> PhoneNumber:
    return make_streaming_number(make_account("20"))


def ended(number: PhoneNumber, *, days_ago: int = 0, **fields: Any) -> Call:
    """A settled call of 61 seconds for $0.10, unless `fields` say otherwise."""
    at = timezone.now() - timedelta(days=days_ago)
    defaults: dict[str, Any] = {
        "status": "completed", "hangup_cause": "normal_clearing", "ended_at": at, "settled_at": at,
        "duration_seconds": 61, "telephony_cost": Decimal("0.08"), "model_cost": Decimal("0.02"), "carrier_call_id": None,
    }  # fmt: skip
    return describe_call(number, at, **{**defaults, **fields})


def test_figures(number: PhoneNumber) -> None:
    Call.objects.bulk_create(
        [
            ended(number),
            ended(number, direction="outbound"),
            ended(number, direction="outbound", status="failed", hangup_cause="no_answer", duration_seconds=0, answered_at=None,
                  telephony_cost=0, model_cost=0),
            ended(number, direction="outbound", voicemail_detected=True, days_ago=3),
            ended(number, hangup_cause="model_failed", days_ago=29),
            ended(number, days_ago=31),
            ended(number, demo=True),
            ended(make_streaming_number(make_account())),
        ]
    )  # fmt: skip
    found = figures(number.developer, timezone.now())
    assert (found.calls_today, found.minutes_today, found.cost_today) == (3, 4, Decimal("0.20"))
    assert (found.success_rate, found.pick_up_rate) == (60, 33)  # 3 of 5, 1 of 3
    assert found.outcomes == [
        ("person", "Person", 1),
        ("voicemail_no_message", "Voicemail, no message", 1),
        ("no_answer", "No answer", 1),
    ]
    assert found.chart is not None
    assert found.chart.names == ["Telephony", "AI model"]
    assert [row[1] for row in found.chart.rows if row[1] != ["$0.00", "$0.00"]] == [
        ["$0.08", "$0.02"],
        ["$0.08", "$0.02"],
        ["$0.16", "$0.04"],
    ]


def test_an_empty_account_has_no_figures(number: PhoneNumber) -> None:
    found = figures(number.developer, timezone.now())
    assert (found.success_rate, found.pick_up_rate, found.answer_ms, found.chart) == (None, None, None, None)


def test_the_agent_s_answer_time(number: PhoneNumber) -> None:
    call = ended(number)
    call.save()
    parts = dict.fromkeys(("carrier_in_ms", "model_ms", "tool_ms", "own_ms"), 0)
    for total in range(100, 2100, 100):
        CallTurn.objects.create(call=call, answered_at=call.started_at, total_ms=total, **parts)
    assert figures(number.developer, timezone.now()).answer_ms == (1000, 1900)


def texts(developer: Developer, balance: str = "20") -> list[str]:
    return [notice.text for notice in attention(developer, Decimal(balance), timezone.now())]


def test_what_needs_attention(number: PhoneNumber) -> None:
    developer = number.developer
    assert texts(developer) == []
    for balance in ("0", "0.49"):
        assert texts(developer, balance) == ["Your balance is below $0.50. Calls cannot start."]
    assert texts(make_account("0"), "0") == []  # the first steps already say that it needs credit
    ended(number).save()
    set_limits(developer=developer, changes={"daily_cap": Decimal("0.10")})
    number.unpaid_since = timezone.now()
    number.save(update_fields=["unpaid_since"])
    lost = publish(
        developer_id=developer.pk, subject="call:1", event_type="call.hangup", payload={"event": "call.hangup"},
        to=[Address(number.webhook_url, number.signing_secret_id)],
    )  # fmt: skip
    WebhookDelivery.objects.filter(event=lost).update(status="failed", next_attempt_at=None)
    notices = texts(developer)
    assert notices[0] == "Today's calls have reached your daily limit."
    assert "could not be renewed and will be suspended." in notices[1]
    assert notices[2] == "1 webhook failed in the last 24 hours."
    assert texts(make_account()) == []
    last_day = (timezone.now() + timedelta(days=29)).date()
    Verification.objects.create(
        developer=developer, country_code="DE", number_type="local", status="approved", expires_on=last_day
    )
    assert f"Your documents for Germany expire on {last_day:%B %-d}." in texts(developer)
    Verification.objects.update(expires_on=last_day + timedelta(days=7))
    assert "Germany" not in "".join(texts(developer))
    AutoTopUp.objects.create(developer=developer, failed_at=timezone.now())
    assert "Your card was declined. Automatic top-ups are off." in texts(developer)


def test_of_many_unpaid_numbers_and_failed_webhooks_few_are_read(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = number.developer
    for _ in range(MOST_NUMBERS):
        make_streaming_number(developer)
    PhoneNumber.objects.update(unpaid_since=timezone.now(), status="suspended")
    for _ in range(3):
        publish(
            developer_id=developer.pk, subject="call:1", event_type="call.hangup", payload={},
            to=[Address(number.webhook_url, number.signing_secret_id)],
        )  # fmt: skip
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    monkeypatch.setattr("calls.dashboard.overview.MOST_COUNTED", 2)
    notices = texts(developer)
    assert sum("is suspended until its renewal is paid." in text for text in notices) == MOST_NUMBERS
    assert notices[-1] == "More than 2 webhooks failed in the last 24 hours."


def test_the_page_and_its_number_of_queries(number: PhoneNumber) -> None:
    client = Client()
    client.force_login(number.developer)
    Call.objects.bulk_create([ended(number) for _ in range(3)])
    ledger.post_entry(
        developer_id=number.developer_id, key="call:1:telephony", kind="telephony", amount=Decimal(-2), description="Call",
    )  # fmt: skip
    PhoneNumber.objects.update(daily_cap=5)
    client.get("/")  # fills caches
    with CaptureQueriesContext(connection) as few:
        page = client.get("/").content.decode()
    for text in ("9 days", "$0.30", "3 calls, 6 min", "100%", "Cost of calls, last 30 days"):
        assert text in page
    assert 'hx-select-oob="#latest,#balance"' in page  # so that both balances match
    assert page.count('id="balance"') == page.count('id="latest"') == 1
    Call.objects.bulk_create([ended(number) for _ in range(20)])
    for _ in range(10):
        make_streaming_number(number.developer, daily_cap=5)
    with CaptureQueriesContext(connection) as many:
        page = client.get("/").content.decode()
    assert page.count('class="cover number" href="/numbers/') == RECENT
    assert "All numbers" in page
    assert len(many) == len(few) <= QUERIES_AT_MOST
