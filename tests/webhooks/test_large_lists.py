"""Events and deliveries of an account with very many of them: each filter of the pages and the API reads few rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.pagination import MOST_COUNTED
from tests.factories import bearer, make_developer, make_endpoint, make_secret_for
from tests.plans import analyze, measure_reads
from webhooks import event_feed, retention
from webhooks.models import Event, WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
MANY, FEW = 6000, 500
MINUTE = timedelta(minutes=1)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def developer(now: datetime) -> Developer:
    """An account with an event and a delivery per minute. Number 4000 differs from the others in type, status and endpoint."""
    developer = make_developer()
    secret = make_secret_for(developer)[0]
    endpoints = [make_endpoint(developer, f"https://example.com/{place}")[0] for place in range(2)]
    ages = [(place, now - (MANY - place) * MINUTE) for place in range(MANY)]
    Event.objects.bulk_create(
        Event(
            public_id=f"evt_{place:x}", developer=developer, subject=f"call:{place // 5}", body="{}", position=place + 1, created_at=at,
            event_type="call.transfer.failed" if place == 4000 else "call.ended",
        )
        for place, at in ages
    )  # fmt: skip
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            webhook_id=f"evt_{place:x}", developer=developer, signing_secret=secret, subject=f"call:{place // 5}", url="https://example.com/",
            body="{}", next_attempt_at=None, created_at=at, endpoint=endpoints[place == 4000],
            event_type="call.transfer.failed" if place == 4000 else "call.ended",
            status={4000: "failed", 4001: "pending"}.get(place, "delivered"),
        )
        for place, at in ages
    )  # fmt: skip
    analyze(Event, WebhookDelivery)
    return developer


def parameter(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize("query", ["type=call.transfer.failed", "call=3", "until", "since", "range"])
def test_filters_of_the_events_page(developer: Developer, now: datetime, query: str) -> None:
    client = Client()
    client.force_login(developer)
    client.get("/events")
    # Of a period with fewer rows, PostgreSQL would rather read all than look up those of one page by their IDs.
    oldest, older, newer, newest = (parameter(now - place * MINUTE) for place in (5500, 3000, 2995, 500))
    periods = {"until": f"until={newest}", "since": f"since={oldest}", "range": f"since={older}&until={newer}"}
    query = periods.get(query, query)
    reading = measure_reads(lambda: client.get(f"/events?{query}"))
    assert reading.rows < FEW
    assert reading.statements <= 9


@pytest.mark.parametrize("query", ["type=call.transfer.failed", "since"])
def test_filters_of_the_events_in_the_api(developer: Developer, now: datetime, query: str) -> None:
    headers = bearer(developer)
    query = {"since": f"since={now - 3000 * MINUTE:%Y-%m-%dT%H:%M:%SZ}"}.get(query, query)
    answers: list[Any] = []
    reading = measure_reads(
        lambda: answers.append(Client().get(f"/api/v1/events?{query}", headers=headers).json()["data"])
    )
    assert answers[0][0]["id"] == {"since": f"evt_{3000:x}"}.get(query[:5], f"evt_{4000:x}")
    assert reading.rows < FEW


@pytest.mark.parametrize("query", ["status=failed", "status=pending", "event=call.transfer.failed", "endpoint"])
def test_filters_of_the_deliveries_page(developer: Developer, query: str) -> None:
    client = Client()
    client.force_login(developer)
    rare = WebhookDelivery.objects.get(webhook_id=f"evt_{4000:x}")
    query = {"endpoint": f"endpoint={rare.endpoint_id}"}.get(query, query)
    client.get("/webhooks")
    reading = measure_reads(lambda: client.get(f"/webhooks?{query}"))
    assert reading.rows < FEW


def test_the_endpoints_page_counts_the_newest_failures_only(developer: Developer) -> None:
    client = Client()
    client.force_login(developer)
    assert client.get("/webhook-endpoints").content.count(b'<span class="aside">1 failed</span>') == 1
    WebhookDelivery.objects.update(status="failed")
    analyze(WebhookDelivery)
    reading = measure_reads(lambda: client.get("/webhook-endpoints"))
    assert reading.rows < 3 * MOST_COUNTED
    page = client.get("/webhook-endpoints").content.decode()
    assert "1,000 of the newest 1,000 failures" in page
    assert page.count("failures</span>") == 1  # the other endpoint's only failure is older


def test_events_of_a_time_include_those_of_slow_transactions(developer: Developer, now: datetime) -> None:
    """Such an event is older than its neighbors in the feed, by less than an hour."""
    slow = Event.objects.get(public_id=f"evt_{4000:x}")
    Event.objects.filter(pk=slow.pk).update(created_at=slow.created_at - timedelta(minutes=50))
    since, until = slow.created_at - timedelta(minutes=51), slow.created_at - timedelta(minutes=49)
    found = Event.objects.filter(event_feed.in_period(developer.pk, since, until), developer=developer)
    assert slow in found
    assert found.count() == 3


@pytest.mark.parametrize("moment", [EARLIEST, LATEST])
def test_any_time_can_be_asked_for(developer: Developer, moment: datetime) -> None:
    counts = [
        Event.objects.filter(event_feed.in_period(developer.pk, **{name: moment})).count()
        for name in ("since", "until")
    ]
    assert counts == ([MANY, 0] if moment == EARLIEST else [0, MANY])


def test_retention_reads_no_more_than_it_deletes(developer: Developer, now: datetime) -> None:
    deleted: list[int] = []
    before = now - (MANY - 5) * MINUTE - timedelta(seconds=1)
    reading = measure_reads(lambda: deleted.extend(retention.delete_deliveries(developer.pk, before)))
    assert deleted == [5, 5]
    assert reading.rows < 5 * retention.BATCH
    assert list(retention.delete_deliveries(developer.pk, before)) == []
    assert (Event.objects.count(), WebhookDelivery.objects.count()) == (MANY - 5, MANY - 5)
