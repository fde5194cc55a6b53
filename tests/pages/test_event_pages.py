"""The pages for events and webhook endpoints, including live updates and resending a time range."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Developer
from tests.factories import make_developer, make_endpoint
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks import event_feed
from webhooks.models import Event, WebhookDelivery, WebhookEndpoint
from webhooks.outbox import publish
from webhooks.sending import replay
from webhooks.sending.signing import signing_keys

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
URL = "https://example.com/events"


@pytest.fixture
def developer() -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def put(developer: Developer, event_type: str = "call.hangup", subject: str = "call:42", **payload: Any) -> Event:
    body = {"event": event_type, **payload}
    return publish(developer_id=developer.pk, subject=subject, event_type=event_type, payload=body)


def shown(html: str) -> list[str]:
    """The IDs of the events on a page, in order."""
    return re.findall(r'<details id="(evt_\w+)"', html)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_events_are_listed_newest_first_and_filtered(client: Client, developer: Developer) -> None:
    old, call, other = (
        put(developer),
        put(developer, "call.ended", "call:7"),
        put(developer, "number.released", "number:7"),
    )
    Event.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))
    put(make_developer())
    ids = [other.public_id, call.public_id, old.public_id]
    assert shown(text_of(client, "/events")) == ids
    assert shown(text_of(client, "/events?type=call.ended")) == [call.public_id]
    assert shown(text_of(client, "/events?call=7")) == [call.public_id]
    yesterday = f"{timezone.now() - timedelta(days=1):%Y-%m-%dT%H:%M}"
    assert shown(text_of(client, f"/events?since={yesterday}")) == ids[:2]
    assert shown(text_of(client, f"/events?until={yesterday}")) == ids[2:]
    wrong = text_of(client, f"/events?type=x&call=y&since={yesterday}&until={yesterday}")
    assert_valid_page(wrong)
    assert shown(wrong) == []
    assert set(re.findall(r'<a href="#id_(\w+)">', wrong)) == {"type", "call", "until"}


def test_the_live_list_gets_each_new_event_once(client: Client, developer: Developer) -> None:
    first = put(developer)
    page = text_of(client, "/events?type=call.hangup")
    assert shown(page) == [first.public_id]
    seen = []
    for kinds in (["call.hangup", "call.ended", "call.hangup"], [], ["call.hangup"]):
        made = [put(developer, kind).public_id for kind in kinds]
        path = re.findall(r'id="tail"[^>]* hx-get="([^"]+)"', page)[0].replace("&amp;", "&")
        page = text_of(client, path)
        assert shown(page) == [
            event for event, kind in reversed([*zip(made, kinds, strict=True)]) if kind == "call.hangup"
        ]
        seen += shown(page)
    assert len(seen) == 3
    assert "Paused" in text_of(client, path.replace("count=2", "count=499"))
    assert "Paused" in text_of(client, "/events/tail?newest=evt_0")


def test_an_event_shows_its_body_and_deliveries(client: Client, developer: Developer) -> None:
    make_endpoint(developer, URL)
    sent, foreign = put(developer, cost=0.1), put(make_developer())
    page = text_of(client, f"/events/{sent.public_id}")
    assert_valid_page(page)
    assert "&quot;cost&quot;: 0.1" in page
    assert page.count('id="delivery-') == 1
    assert 'href="/calls/42"' in page
    for unknown in (foreign.public_id, "evt_0"):
        assert client.get(f"/events/{unknown}").status_code == 404


def test_an_endpoint_can_be_added_and_changed_and_its_secret_is_shown_once(
    client: Client, developer: Developer
) -> None:
    added = client.post(
        "/webhook-endpoints", {"url": URL, "events": ["call.hangup", "call.ended"], "description": "CRM"}
    )
    endpoint = WebhookEndpoint.objects.get()
    path = f"/webhook-endpoints/{endpoint.pk}"
    assert added["Location"] == path
    assert (endpoint.url, endpoint.event_types, endpoint.enabled) == (URL, ["call.hangup", "call.ended"], True)
    first = signing_keys(endpoint.signing_secret).current
    page = text_of(client, path)
    assert_valid_page(page)
    assert first in page and first not in text_of(client, path)
    assert client.post(f"{path}/rotate-secret")["Location"] == path
    second = signing_keys(WebhookEndpoint.objects.get().signing_secret).current
    assert second != first and second in text_of(client, path)
    client.post(path, {"url": f"{URL}/2", "events": ["*", "call.ended"]})
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.event_types, endpoint.description) == (f"{URL}/2", ["*"], "")
    client.post(f"{path}/test")
    assert WebhookDelivery.objects.get().event_type == "webhook.test"
    assert 'hx-trigger="every 2s"' in text_of(client, path)
    client.post(f"{path}/disable")
    assert "Disabled" in text_of(client, "/webhook-endpoints")
    assert WebhookDelivery.objects.get().status == "failed"
    client.post(f"{path}/delete")
    assert client.get(path).status_code == 404
    assert "No endpoints yet" in text_of(client, "/webhook-endpoints")


def test_another_account_s_endpoint_is_not_found(client: Client) -> None:
    endpoint, _ = make_endpoint(make_developer(), URL)
    path = f"/webhook-endpoints/{endpoint.pk}"
    assert client.get(path).status_code == 404
    for part in ("", "/enable", "/disable", "/test", "/rotate-secret", "/delete"):
        assert client.post(path + part, {"url": "https://example.com/", "events": "*"}).status_code == 404
    before = (endpoint.url, endpoint.enabled, endpoint.deleted_at)
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.enabled, endpoint.deleted_at) == before


def test_a_time_range_is_resent_whether_or_not_it_was_delivered(client: Client, developer: Developer) -> None:
    before_endpoint, unwanted = put(developer), put(developer, "call.ended")
    endpoint, _ = make_endpoint(developer, URL, "call.hangup")
    received, waiting, old = put(developer), put(developer), put(developer)
    Event.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))
    deliveries = WebhookDelivery.objects.order_by("pk")
    deliveries.exclude(event=waiting).update(status="delivered", next_attempt_at=None)
    WebhookEndpoint.objects.update(url=f"{URL}/new")
    now = timezone.localtime()
    form = {
        "endpoint": str(endpoint.pk),
        "since": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}",
    }
    answer = client.post("/events/resend", form, follow=True).content.decode()
    assert "Resending 2 events." in answer
    assert {(delivery.event_id, delivery.webhook_id, delivery.status, delivery.url) for delivery in deliveries} == {
        (before_endpoint.pk, before_endpoint.public_id, "pending", f"{URL}/new"),
        (received.pk, received.public_id, "pending", f"{URL}/new"),
        (waiting.pk, waiting.public_id, "pending", URL),
        (old.pk, old.public_id, "delivered", URL),
    }
    assert not deliveries.filter(event=unwanted).exists()


def test_too_many_events_and_other_accounts_endpoints_are_refused(
    client: Client, developer: Developer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, _ = make_endpoint(developer, URL)
    foreign, _ = make_endpoint(make_developer(), URL)
    put(developer), put(developer)
    WebhookDelivery.objects.update(status="failed")
    monkeypatch.setattr(replay, "MAX_EVENTS", 1)
    form = {"since": "2026-01-01T00:00", "until": "2126-01-01T00:00"}
    many = client.post("/events/resend", {**form, "endpoint": endpoint.pk}).content.decode()
    assert "Choose a shorter time" in many
    assert_valid_page(many)
    assert 'href="#resend_endpoint"' in client.post("/events/resend", {**form, "endpoint": foreign.pk}).content.decode()
    assert not WebhookDelivery.objects.filter(status="pending").exists()


def test_the_list_needs_few_queries(client: Client, developer: Developer, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        put(developer)
    event_feed.newest(developer.pk)
    client.get("/events")  # the session's first page stores the browser's details
    with django_assert_max_num_queries(8):
        page = text_of(client, "/events")
    assert len(shown(page)) == 25
    assert "Older →" in page
