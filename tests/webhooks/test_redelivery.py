"""Resending webhooks through the API and on the page, delivered by a real dispatcher."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from accounts.models import Developer
from tests.factories import bearer, make_developer, make_endpoint, make_phone_number, make_secret_for
from tests.webhooks.receiver import Receiver
from tests.webhooks.test_delivery import attempts_of, dispatching
from webhooks.models import WebhookAttempt, WebhookDelivery
from webhooks.outbox import Address, publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def put(developer: Developer, event: str = "call.hangup", url: str = "https://example.com/hook", **fields: Any) -> int:
    """A message in the outbox. `fields` are set on its row."""
    delivery = publish(
        developer_id=developer.pk,
        subject="call:42",
        event_type=event,
        payload={"event": event, "call_id": "42"},
        to=[Address(url, make_secret_for(developer)[0].pk)],
    ).deliveries.get()
    WebhookDelivery.objects.filter(pk=delivery.pk).update(**fields)
    return delivery.pk


def failed(developer: Developer, event: str = "call.hangup", **fields: Any) -> int:
    return put(developer, event, status="failed", next_attempt_at=None, attempt_count=4, **fields)


def statuses() -> dict[int, str]:
    return dict(WebhookDelivery.objects.values_list("pk", "status"))


@pytest.fixture
def developer() -> Developer:
    return make_developer()


def test_the_list_has_every_message_with_its_attempts_and_can_be_filtered(client: Client, developer: Developer) -> None:
    headers = bearer(developer)
    old, new = failed(developer), put(developer, "call.answered")
    put(make_developer())
    WebhookAttempt.objects.create(
        delivery_id=old, number=1, response_status=500, response_body="no", latency_ms=7, success=False
    )
    rows = client.get("/api/v1/webhook-logs", headers=headers).json()["data"]
    assert [row["id"] for row in rows] == [new, old]
    assert rows[1]["request_payload"] == {"event": "call.hangup", "call_id": "42"}
    (attempt,) = rows[1]["attempts"]
    assert (attempt["response_status"], attempt["response_body"], attempt["latency_ms"]) == (500, "no", 7)
    for query, expected in (("status=failed", [old]), ("event_type=call.answered", [new]), ("status=delivered", [])):
        found = client.get(f"/api/v1/webhook-logs?{query}", headers=headers).json()["data"]
        assert [row["id"] for row in found] == expected
    assert client.get("/api/v1/webhook-logs?status=lost", headers=headers).status_code == 422


def test_a_pending_message_is_not_sent_twice(client: Client, developer: Developer) -> None:
    headers = bearer(developer)
    pending, other = put(developer), failed(make_developer())
    assert (
        client.post(
            f"/api/v1/webhook-logs/{pending}/resend", content_type="application/json", headers=headers
        ).status_code
        == 409
    )
    assert (
        client.post(
            f"/api/v1/webhook-logs/{other}/resend", content_type="application/json", headers=headers
        ).status_code
        == 404
    )
    assert statuses() == {pending: "pending", other: "failed"}


def test_all_failed_messages_are_resent_except_those_that_need_an_immediate_reply(
    client: Client, developer: Developer
) -> None:
    notices = [failed(developer), failed(developer, "call.answered")]
    questions = [failed(developer, event) for event in ("call.incoming", "call.speech", "call.tool_call")]
    others = [put(developer, status="delivered", next_attempt_at=None), failed(make_developer())]
    answer = client.post(
        "/api/v1/webhook-logs/resend-failed", content_type="application/json", headers=bearer(developer)
    )
    assert (answer.status_code, answer.json()) == (200, {"data": {"resent": 2}})
    now = statuses()
    assert [now[pk] for pk in notices] == ["pending", "pending"]
    assert [now[pk] for pk in questions + others] == ["failed", "failed", "failed", "delivered", "failed"]


@pytest.mark.django_db(transaction=True)
async def test_a_resent_message_has_the_same_id() -> None:
    developer = await sync_to_async(make_developer)()
    headers = await sync_to_async(bearer)(developer)
    async with Receiver() as receiver:
        pk = await sync_to_async(failed)(developer, "call.incoming", url=receiver.url, wants_reply=True)
        async with dispatching():
            answer = await AsyncClient().post(
                f"/api/v1/webhook-logs/{pk}/resend", content_type="application/json", headers=headers
            )
            delivery = await WebhookDelivery.objects.aget(pk=pk)
            attempts = await attempts_of(delivery, 1)
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "pending")
    assert [(attempt.number, attempt.success) for attempt in attempts] == [(5, True)]
    (received,) = receiver.received
    assert received.headers["X-Webhook-Id"] == str(delivery.webhook_id)
    assert received.body.decode() == delivery.body
    # The response is ignored, because it comes too late for the call.
    assert (delivery.status, delivery.wants_reply) == ("delivered", False)


# --- the page ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def browser(developer: Developer) -> Client:
    client = Client()
    client.force_login(developer)
    return client


def test_the_page_shows_addresses_and_deliveries(browser: Client, developer: Developer) -> None:
    make_phone_number(developer=developer, webhook_url="https://example.com/hook", label="Bakery")
    pk = failed(developer)
    WebhookAttempt.objects.create(
        delivery_id=pk, number=1, response_status=500, response_body="<b>no</b>" * 5000, latency_ms=7, success=False
    )
    put(make_developer(), "call.answered")
    page = browser.get("/webhooks").content.decode()
    assert "https://example.com/hook" in page
    assert page.count('id="delivery-') == 1
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert len(page) < 60_000
    assert "Resend 1 failed" in page
    assert "def is_genuine" in page
    assert 'id="delivery-' not in browser.get("/webhooks?status=delivered").content.decode()
    assert 'id="delivery-' in browser.get("/webhooks?status=failed&event=call.hangup").content.decode()
    other = make_endpoint(developer, "https://example.com/all")[0]
    WebhookDelivery.objects.filter(pk=pk).update(endpoint=make_endpoint(developer, "https://example.com/crm")[0])
    endpoint_id = WebhookDelivery.objects.get(pk=pk).endpoint_id
    assert 'id="delivery-' in browser.get(f"/webhooks?endpoint={endpoint_id}").content.decode()
    assert 'id="delivery-' not in browser.get(f"/webhooks?endpoint={other.pk}").content.decode()
    assert f'href="/webhooks?endpoint={other.pk}"' in browser.get(f"/webhook-endpoints/{other.pk}").content.decode()
    foreign = make_endpoint(make_developer(), "https://example.com/x")[0]
    assert 'href="#id_endpoint"' in browser.get(f"/webhooks?endpoint={foreign.pk}").content.decode()
    wrong = browser.get("/webhooks?before=x&status=nonsense&event=call.answer").content.decode()
    assert 'href="#id_status"' in wrong and 'href="#id_event"' in wrong
    assert 'id="delivery-' not in wrong


def test_its_buttons_resend_and_return_to_the_page(browser: Client, developer: Developer) -> None:
    first, other, foreign = failed(developer), failed(developer), failed(make_developer())
    answer = browser.post(f"/webhooks/{first}/resend", {"next": "/calls/42"})
    assert (answer.status_code, answer["Location"]) == (302, "/calls/42")
    assert browser.post(f"/webhooks/{first}/resend", {"next": "https://evil.example/"})["Location"] == "/webhooks"
    assert browser.post(f"/webhooks/{foreign}/resend").status_code == 404
    assert browser.get(f"/webhooks/{first}/resend").status_code == 405
    assert statuses() == {first: "pending", other: "failed", foreign: "failed"}
    assert "Resending 1 webhook." in browser.post("/webhooks/failed/resend", follow=True).content.decode()
    assert statuses() == {first: "pending", other: "pending", foreign: "failed"}


def test_the_list_needs_few_queries(browser: Client, developer: Developer, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        failed(developer)
    browser.get("/webhooks")  # the session's first page stores the browser's details
    with django_assert_max_num_queries(9):
        page = browser.get("/webhooks").content.decode()
    assert page.count('id="delivery-') == 25
    assert "Older →" in page
