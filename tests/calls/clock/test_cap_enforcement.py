"""Limits that developers set: which calls start, which are ended, who is notified."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Developer
from billing.caps import set_limits
from bubblyphone.core.errors import InsufficientFunds, TooManyRequests
from calls.charging.admission import admit
from calls.clock import cap_enforcement, metering
from calls.control import inbound
from calls.models import Call, CallEvent
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import PhoneNumber
from tests.calls.rows import describe_call, make_account, make_call, make_streaming_number
from tests.factories import bearer, make_agent, make_api_key
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
REACHED = "billing.cap.reached"


@pytest.fixture
def number() -> PhoneNumber:
    return make_streaming_number(make_account("50"))


def limit(number: PhoneNumber, **limits: Any) -> None:
    """Set limits for the whole account."""
    set_limits(developer=number.developer, changes=limits)


def give_cap(owner: Any, amount: str) -> None:
    owner.daily_cap = Decimal(amount)
    owner.save(update_fields=["daily_cap"])


def ended_call(number: PhoneNumber, cost: str, *, days_ago: int = 0, **fields: Any) -> None:
    settled = timezone.now() - timedelta(days=days_ago)
    made: dict[str, Any] = {"status": "completed", "ended_at": settled, "settled_at": settled, **fields}
    make_call(number, settled, telephony_cost=Decimal(cost), **made)


def start(number: PhoneNumber, **fields: Any) -> None:
    admit(describe_call(number, timezone.now(), status="ringing", answered_at=None, **fields))


def refusal(number: PhoneNumber, **fields: Any) -> tuple[str, int]:
    """The reason and the status code of a call that is refused."""
    with pytest.raises((InsufficientFunds, TooManyRequests)) as refused:
        start(number, **fields)
    return refused.value.code, refused.value.status


def test_without_limits_every_call_starts(number: PhoneNumber) -> None:
    ended_call(number, "40")
    start(number)


def test_a_daily_cap(number: PhoneNumber) -> None:
    limit(number, daily_cap=Decimal("1.00"))
    ended_call(number, "0.999")
    ended_call(number, "30", days_ago=1)
    start(number)
    ended_call(number, "0.001")
    assert refusal(number) == ("daily_cap_reached", 402)


def test_running_calls_count_before_they_are_charged(number: PhoneNumber) -> None:
    limit(number, daily_cap=Decimal("0.20"))
    for _ in range(3):  # each call holds its first minute, $0.08
        start(number)
        make_call(number, timezone.now(), status="ringing", answered_at=None)
    assert refusal(number) == ("daily_cap_reached", 402)


def test_the_daily_cap_of_a_number(number: PhoneNumber) -> None:
    give_cap(number, "1")
    ended_call(number, "1")
    start(make_streaming_number(number.developer))
    assert refusal(number) == ("number_daily_cap_reached", 402)


def test_the_daily_caps_of_an_agent_and_a_key(number: PhoneNumber) -> None:
    agent, (key, _) = make_agent(developer=number.developer), make_api_key(number.developer)
    give_cap(agent, "1")
    give_cap(key, "1")
    ended_call(number, "0.60", agent=agent, api_key=key)
    start(number, agent=agent, api_key=key)
    ended_call(number, "0.40", agent=agent)
    assert refusal(number, agent=agent, api_key=key) == ("agent_daily_cap_reached", 402)
    start(number, api_key=key)
    ended_call(number, "0.40", api_key=key)
    assert refusal(number, api_key=key) == ("api_key_daily_cap_reached", 402)
    start(number)


def test_concurrent_calls_are_limited(number: PhoneNumber) -> None:
    limit(number, max_concurrent_calls=2)
    running = make_call(number, timezone.now())
    start(number)
    make_call(number, timezone.now(), status="ringing", answered_at=None)
    assert refusal(number) == ("too_many_calls", 429)
    running.delete()
    start(number)


def test_concurrent_calls_of_a_number_are_limited(number: PhoneNumber) -> None:
    number.max_concurrent_calls = 1
    make_call(number, timezone.now())
    assert refusal(number) == ("number_too_many_calls", 429)
    start(make_streaming_number(number.developer))


def test_calls_from_one_caller_are_limited(number: PhoneNumber) -> None:
    limit(number, max_calls_per_caller_per_hour=2)
    now = timezone.now()
    ended_call(number, "0.04", days_ago=1)
    for minutes in (61, 59, 5):
        make_call(number, now - timedelta(minutes=minutes), status="completed", ended_at=now)
    assert refusal(number) == ("too_many_calls_from_caller", 429)
    start(number, from_number="+15551239999")
    start(number, direction="outbound")
    Call.objects.filter(started_at__lt=now - timedelta(minutes=58)).delete()
    make_call(number, now, status="failed", ended_at=now, end_requested_cause="rejected")
    start(number)  # refused calls do not count


def test_a_call_ends_before_its_maximum_cost(number: PhoneNumber) -> None:
    # $0.08 per minute: the second minute would start at $0.121.
    number.max_cost_per_call = Decimal("0.10")
    now = timezone.now()
    call = make_call(number, now)
    metering.meter_once(now + timedelta(seconds=58.5))
    call.refresh_from_db()
    assert call.end_requested_at is None
    metering.meter_once(now + timedelta(seconds=59.5))
    call.refresh_from_db()
    assert (call.end_requested_cause, call.end_requested_at) == (
        "insufficient_balance",
        now + timedelta(seconds=59.5),
    )
    event = CallEvent.objects.get(call=call, event_type="limit.reached")
    assert event.metadata == {"reason": "max_cost_per_call_reached", "limit": "0.10"}


def test_a_call_costs_no_more_than_its_limit_however_late_it_ends(number: PhoneNumber) -> None:
    number.max_cost_per_call = Decimal("0.10")
    now = timezone.now()
    call = make_call(number, now, sandbox=True, telephony_rate=Decimal(0))
    metering.meter_once(now + timedelta(minutes=30))
    call.refresh_from_db()
    # 150 s of a model at $0.04 per minute.
    assert (call.status, call.total_cost, call.duration_seconds) == ("completed", Decimal("0.10"), 150)


def test_a_maximum_cost_below_the_first_minute_refuses_every_call(number: PhoneNumber) -> None:
    number.max_cost_per_call = Decimal("0.03")
    assert refusal(number) == ("max_cost_per_call_too_low", 402)


@pytest.mark.parametrize(
    ("limits", "status", "reason"),
    [({"daily_cap": Decimal(1)}, 402, "daily_cap_reached"), ({"max_concurrent_calls": 1}, 429, "too_many_calls")],
)
def test_the_response_names_the_reason(
    number: PhoneNumber, empty_redis: object, limits: dict[str, object], status: int, reason: str
) -> None:
    limit(number, **limits)
    make_call(number, timezone.now() - timedelta(minutes=20))
    request = {"from": number.e164, "to": "+14155550199", "mode": "streaming"}
    client = Client(headers=bearer(number.developer, is_admin=True))
    for path, body in (("calls", request), ("sandbox/calls", {"phone_number_id": number.pk})):
        response = client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert (response.status_code, response.json()["reason"]) == (status, reason)
        assert response.headers.get("Retry-After") == ("10" if status == 429 else None)


def test_a_call_records_the_key_that_placed_it(number: PhoneNumber, empty_redis: object) -> None:
    key, plaintext = make_api_key(number.developer)
    client = Client(headers={"Authorization": f"Bearer {plaintext}"})
    made = client.post("/api/v1/sandbox/calls", {"phone_number_id": number.pk}, content_type="application/json")
    assert made.status_code == 201
    assert Call.objects.get().api_key == key


@pytest.mark.parametrize(
    ("limits", "cause", "reason"),
    [
        ({"daily_cap": Decimal(1)}, "insufficient_balance", "daily_cap_reached"),
        ({"max_concurrent_calls": 1}, "busy", "too_many_calls"),
        ({"max_calls_per_caller_per_hour": 1}, "rejected", "too_many_calls_from_caller"),
    ],
)
def test_an_inbound_call_over_a_limit_is_refused(
    number: PhoneNumber, limits: dict[str, object], cause: str, reason: str
) -> None:
    limit(number, **limits)
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
            carrier="telnyx",
        )
    )
    call = Call.objects.get(carrier_call_id="v3:one-too-many")
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", cause, 0)
    assert CallEvent.objects.get(call=call, event_type="call.refused").metadata == {"reason": reason}


def test_alerts_are_sent_and_running_calls_end(number: PhoneNumber) -> None:
    limit(number, daily_cap=Decimal("0.20"))
    now = timezone.now()
    call = make_call(number, now, sandbox=True)
    alert_counts = []
    for seconds in (1, 61, 62, 90, 181, 182):
        cap_enforcement.enforce(now + timedelta(seconds=seconds))
        alert_counts.append(WebhookDelivery.objects.filter(event_type=REACHED).count())
    call.refresh_from_db()
    # Spent: 0.041, 0.121, 0.121, 0.14, 0.281. The call ends there.
    assert alert_counts == [0, 1, 1, 1, 2, 2]
    assert (call.status, call.hangup_cause, call.duration_seconds) == ("completed", "insufficient_balance", 181)
    sent = [json.loads(delivery.body) for delivery in WebhookDelivery.objects.filter(event_type=REACHED).order_by("pk")]
    assert [(body["scope"], body["percent"], body["spent"], body["cap"], body["phone_number_id"]) for body in sent] == [
        ("account", 50, "0.121", "0.20", None),
        ("account", 100, "0.281", "0.20", None),
    ]
    run_jobs()
    assert [message.subject for message in mail.outbox] == [
        "50% of your daily limit is used",
        "100% of your daily limit is used",
    ]


def test_an_alert_is_sent_even_if_no_call_is_running(number: PhoneNumber) -> None:
    agent = make_agent(developer=number.developer, name="Desk")
    give_cap(agent, "1")
    number.agent = agent
    number.save(update_fields=["agent"])
    ended_call(number, "0.80", agent=agent)
    now = timezone.now()
    cap_enforcement.enforce(now)
    cap_enforcement.enforce(now + timedelta(seconds=1))
    sent = json.loads(WebhookDelivery.objects.get(event_type=REACHED).body)
    assert (sent["scope"], sent["agent_id"], sent["percent"]) == ("agent", str(agent.pk), 80)
    run_jobs()
    assert "with the agent “Desk”" in mail.outbox[0].body


def test_the_api_shows_and_sets_limits(number: PhoneNumber, empty_redis: object) -> None:
    give_cap(number, "3")
    ended_call(number, "0.25")
    client = Client(headers=bearer(number.developer, is_admin=True))
    nothing = {
        "daily_cap": None,
        "spent_today": "0.25",
        "max_concurrent_calls": None,
        "running_calls": 0,
        "max_calls_per_caller_per_hour": None,
        "ceilings": {"daily_cap": None, "max_concurrent_calls": None},
        "currency": "USD",
        "others": [{"scope": "phone_number", "id": number.pk, "daily_cap": "3.00", "spent_today": "0.25"}],
    }
    assert client.get("/api/v1/billing/caps").json() == {"data": nothing}

    def put(**body: object) -> Any:
        return client.put("/api/v1/billing/caps", body, content_type="application/json")

    assert put(daily_cap="25.5", max_concurrent_calls=4).json()["data"]["daily_cap"] == "25.50"
    changed = put(max_calls_per_caller_per_hour=9, max_concurrent_calls=None).json()["data"]
    assert changed == {**nothing, "daily_cap": "25.50", "max_calls_per_caller_per_hour": 9}
    for field, value in (("daily_cap", "0"), ("daily_cap", "many"), ("daily_cap", True), ("max_concurrent_calls", 0)):
        refused = put(**{field: value})
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [field])
    assert client.get("/api/v1/billing/caps").json()["data"] == changed


def test_the_api_sets_limits_of_numbers_agents_and_keys(number: PhoneNumber, empty_redis: object) -> None:
    agent, (key, plaintext) = make_agent(developer=number.developer), make_api_key(number.developer, is_admin=True)
    client = Client(headers={"Authorization": f"Bearer {plaintext}"})
    for path in (f"phone-numbers/{number.pk}", f"agents/{agent.pk}", f"api-keys/{key.pk}"):
        for sent, stored in ((2.5, "2.50"), ("0.125", "0.125"), (None, None)):
            changed = client.patch(f"/api/v1/{path}", {"daily_cap": sent}, content_type="application/json")
            assert (changed.status_code, changed.json()["data"]["daily_cap"]) == (200, stored)
    limited = client.patch(
        f"/api/v1/phone-numbers/{number.pk}",
        {"max_cost_per_call": 1, "max_concurrent_calls": 3},
        content_type="application/json",
    ).json()["data"]
    assert (limited["max_cost_per_call"], limited["max_concurrent_calls"]) == ("1.00", 3)


def test_the_page_sets_all_limits(number: PhoneNumber, empty_redis: object) -> None:
    client = Client()
    developer: Developer = number.developer
    client.force_login(developer)
    agent, (key, _) = make_agent(developer=developer), make_api_key(developer)
    names = {"daily_cap": "5", "max_concurrent_calls": "", "max_calls_per_caller_per_hour": "7"}
    own = {f"phone_number_{number.pk}": "1.5", f"agent_{agent.pk}": "2", f"api_key_{key.pk}": "3"}
    assert client.post("/billing/caps", names | own).status_code == 302
    refused = client.post("/billing/caps", names | own | {"daily_cap": "-1", f"agent_{agent.pk}": "9"})
    assert refused.status_code == 200
    for row in (number, agent, key):
        row.refresh_from_db()
    cap = developer.spending_cap
    assert (cap.daily_cap, cap.max_concurrent_calls, cap.max_calls_per_caller_per_hour) == (5, None, 7)
    assert (number.daily_cap, agent.daily_cap, key.daily_cap) == (Decimal("1.5"), 2, 3)
    html = client.get("/billing/caps").content.decode()
    assert all(f'value="{amount}"' in html for amount in ("5", "7", "1.5", "2", "3"))


def test_many_calls_are_checked_with_as_many_queries_as_one(number: PhoneNumber) -> None:
    """What a call has besides its caps, such as its configuration, is not read."""
    agent, (key, _) = make_agent(developer=number.developer), make_api_key(number.developer)
    owners = {"agent": agent, "api_key": key}
    make_call(number, timezone.now(), **owners)
    with CaptureQueriesContext(connection) as queries_of_one:
        cap_enforcement.enforce()
    for _ in range(9):
        make_call(number, timezone.now(), **owners)
    with CaptureQueriesContext(connection) as queries_of_all:
        cap_enforcement.enforce()
    assert len(queries_of_all) == len(queries_of_one) == 3
    assert [query["sql"] for query in queries_of_all if "config" in query["sql"]] == []
