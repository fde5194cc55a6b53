"""Limits of the developer's own: who may start, what ends, who is told."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import Developer, WebhookDelivery
from billing.models import SpendingCap
from bubblyphone.core.errors import InsufficientFunds, TooManyRequests
from calls import caps, inbound
from calls.models import Call
from phone_numbers.carriers.events import CarrierEvent, CarrierEventType
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer
from tests.jobs import run_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def number() -> PhoneNumber:
    return make_streaming_number(make_account("50"))


def cap(number: PhoneNumber, *, of_number: bool = False, **limits: object) -> SpendingCap:
    pk = number.pk if of_number else 0
    return SpendingCap.objects.create(developer=number.developer, phone_number_id=pk, **limits)


def ended_call(number: PhoneNumber, cost: str, *, days_ago: int = 0) -> None:
    now = timezone.now()
    settled = now if not days_ago else now - timedelta(days=days_ago)
    make_call(number, settled, status="completed", ended_at=settled, settled_at=settled, telephony_cost=Decimal(cost))


def start(number: PhoneNumber) -> None:
    caps.check_start(developer_id=number.developer_id, phone_number_id=number.pk)


def test_without_limits_everything_may_start(number: PhoneNumber) -> None:
    ended_call(number, "40")
    start(number)


def test_a_days_money(number: PhoneNumber) -> None:
    cap(number, daily_cap=Decimal("1.00"))
    ended_call(number, "0.999")
    ended_call(number, "30", days_ago=1)
    start(number)
    ended_call(number, "0.001")
    with pytest.raises(InsufficientFunds) as refusal:
        start(number)
    assert (refusal.value.code, refusal.value.status) == ("daily_cap_reached", 402)


def test_a_numbers_own_money(number: PhoneNumber) -> None:
    cap(number, of_number=True, daily_cap=Decimal("1.00"))
    ended_call(number, "1")
    start(make_streaming_number(number.developer))
    with pytest.raises(InsufficientFunds) as refusal:
        start(number)
    assert refusal.value.code == "number_daily_cap_reached"


def test_calls_at_the_same_time(number: PhoneNumber) -> None:
    cap(number, max_concurrent_calls=2)
    running = make_call(number, timezone.now())
    start(number)
    second = make_call(number, timezone.now(), status="ringing", answered_at=None)
    with pytest.raises(TooManyRequests) as refusal:
        start(number)
    assert (refusal.value.code, refusal.value.retry_after) == ("too_many_calls", 10)
    caps.check_start(developer_id=number.developer_id, phone_number_id=number.pk, apart_from=second.pk)
    running.delete()
    start(number)


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [({"daily_cap": Decimal(1)}, 402, "daily_cap_reached"), ({"max_concurrent_calls": 1}, 429, "too_many_calls")],
)
def test_the_answer_names_the_reason(
    number: PhoneNumber, empty_redis: object, limits: dict[str, object], status: int, code: str
) -> None:
    cap(number, **limits)
    make_call(number, timezone.now() - timedelta(minutes=20))
    request = {"from": number.e164, "to": "+14155550199", "mode": "streaming"}
    client = Client(headers=bearer(number.developer))
    for path, body in (("calls", request), ("sandbox/calls", {"phone_number_id": number.pk})):
        response = client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers.get("Retry-After") == ("10" if status == 429 else None)


@pytest.mark.parametrize(
    ("limits", "cause"), [({"daily_cap": Decimal(1)}, "insufficient_balance"), ({"max_concurrent_calls": 1}, "busy")]
)
def test_an_inbound_call_beyond_them_is_refused(number: PhoneNumber, limits: dict[str, object], cause: str) -> None:
    cap(number, **limits)
    make_call(number, timezone.now() - timedelta(minutes=20))
    inbound.receive(
        CarrierEvent(
            type=CarrierEventType.INITIATED,
            event_id="event-1",
            carrier_call_id="v3:one-too-many",
            occurred_at=timezone.now(),
            direction="inbound",
            from_number="+15551230000",
            to_number=number.e164,
        )
    )
    call = Call.objects.get(carrier_call_id="v3:one-too-many")
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", cause, 0)


def test_alerts_and_the_end_of_what_runs(number: PhoneNumber) -> None:
    cap(number, daily_cap=Decimal("0.20"))
    now = timezone.now()
    call = make_call(number, now, sandbox=True)
    told = []
    for seconds in (1, 61, 62, 90, 181, 182):
        caps.enforce(now + timedelta(seconds=seconds))
        told.append(WebhookDelivery.objects.filter(event_type="billing.cap.reached").count())
    call.refresh_from_db()
    # 0.041, 0.121, 0.121, 0.14, 0.281: the call ends there.
    assert told == [0, 1, 1, 1, 2, 2]
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("completed", "insufficient_balance", 181)
    sent = [
        json.loads(one.body) for one in WebhookDelivery.objects.filter(event_type="billing.cap.reached").order_by("pk")
    ]
    assert [(one["percent"], one["spent"], one["cap"], one["phone_number_id"]) for one in sent] == [
        (50, "0.121", "0.20", None),
        (100, "0.281", "0.20", None),
    ]
    run_jobs()
    assert [message.subject for message in mail.outbox] == [
        "50 % of your daily limit is used",
        "100 % of your daily limit is used",
    ]


def test_the_billing_page_sets_them(number: PhoneNumber, empty_redis: object) -> None:
    client = Client()
    developer: Developer = number.developer
    client.force_login(developer)
    assert client.post("/billing/caps", {"daily_cap": "5", "max_concurrent_calls": ""}).status_code == 302
    client.post("/billing/caps", {"daily_cap": "-1", "max_concurrent_calls": "0"})
    kept = SpendingCap.objects.get()
    assert (kept.developer, kept.phone_number_id, kept.daily_cap, kept.max_concurrent_calls) == (developer, 0, 5, None)
    assert 'value="5.000000"' in client.get("/billing").content.decode()
