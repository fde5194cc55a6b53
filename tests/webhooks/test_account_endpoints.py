"""The account's webhook endpoints: their API, the events they receive, and how long failures are retried."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Developer
from tests.described import check_webhook
from tests.factories import bearer, make_developer, make_endpoint, make_secret_for
from tests.jobs import run_jobs
from tests.waiting import eventually
from tests.webhooks.receiver import Receiver
from webhooks import account_endpoints
from webhooks.http.outbound_http import PostResult
from webhooks.models import Event, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from webhooks.outbox import Address, publish
from webhooks.sending import outcomes, redelivery, retry_schedule
from webhooks.sending.delivery import Dispatcher
from webhooks.sending.signing import signature_headers, signing_keys

URL = "https://example.com/events"
PATH = "/api/v1/webhook-endpoints"


def put(developer: Developer, event_type: str = "call.hangup", to: list[Address] | None = None) -> Event:
    body = {"event": event_type, "call_id": "42"}
    return publish(developer_id=developer.pk, subject="call:42", event_type=event_type, payload=body, to=to or [])


def put_while_deleting(developer: Developer, endpoint: WebhookEndpoint) -> Event:
    """Publish an event for an endpoint that is deleted before the event is committed."""
    with transaction.atomic():
        event = put(developer)
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(deleted_at=timezone.now())
    return event


def send(client: Client, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    content = "" if body is None else json.dumps(body)
    return client.generic(method, PATH + path, content, content_type="application/json", headers=headers)


@pytest.mark.django_db
def test_the_lifecycle_of_an_endpoint(client: Client) -> None:
    headers = bearer(make_developer(), is_admin=True)
    made = send(client, "POST", "", headers, {"url": URL, "events": ["call.hangup", "call.hangup"]})
    assert made.status_code == 201
    endpoint = made.json()["data"]
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert endpoint == {
        "id": endpoint["id"], "url": URL, "events": ["call.hangup"], "description": "", "enabled": True,
        "created_at": endpoint["created_at"],
    }  # fmt: skip
    path = f"/{endpoint['id']}"
    assert send(client, "GET", "", headers).json()["data"] == [endpoint]
    changes = {"events": ["call.ended", "*"], "description": "CRM", "enabled": False}
    changed = send(client, "PATCH", path, headers, changes).json()["data"]
    assert changed == {**endpoint, "events": ["*"], "description": "CRM", "enabled": False}
    assert send(client, "GET", path, headers).json()["data"] == changed
    rotated = send(client, "POST", f"{path}/rotate-secret", headers).json()["data"]
    keys = signing_keys(WebhookEndpoint.objects.get().signing_secret)
    assert (keys.current, keys.previous) == (rotated.pop("secret"), secret)
    assert rotated == changed
    sent = send(client, "POST", f"{path}/test", headers).json()["data"]
    event = Event.objects.get()
    assert (sent["event_type"], sent["webhook_id"], sent["url"]) == ("webhook.test", event.public_id, URL)
    assert sent["webhook_endpoint_id"] == endpoint["id"]
    assert sent["next_attempt_at"] is not None
    assert send(client, "DELETE", path, headers).status_code == 204
    assert send(client, "GET", path, headers).status_code == 404
    assert send(client, "GET", "", headers).json()["data"] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["url", "events"]),
        ({"url": "no", "events": ["*"]}, ["url"]),
        ({"url": "https://", "events": ["*"]}, ["url"]),
        ({"url": URL, "events": []}, ["events"]),
        ({"url": URL, "events": ["call.nonsense"]}, ["events"]),
        ({"url": URL, "events": ["call.tool_call"]}, ["events"]),
        ({"url": URL, "events": "call.hangup"}, ["events"]),
        ({"url": URL, "events": ["*"], "secret": "whsec_mine"}, ["secret"]),
        ({"url": URL, "events": ["*"], "description": "x" * 201}, ["description"]),
        ({"url": URL, "events": ["*"], "enabled": None}, ["enabled"]),
    ],
)
def test_an_invalid_endpoint_is_422(client: Client, body: dict[str, Any], fields: list[str]) -> None:
    answer = send(client, "POST", "", bearer(make_developer(), is_admin=True), body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, fields)
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["test", "rotate-secret"])
def test_actions_take_no_fields(client: Client, action: str) -> None:
    developer = make_developer()
    endpoint, secret = make_endpoint(developer, URL)
    answer = send(client, "POST", f"/{endpoint.pk}/{action}", bearer(developer, is_admin=True), {"colour": "red"})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["colour"])
    assert signing_keys(WebhookEndpoint.objects.get().signing_secret).current == secret
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_account_can_have_20_endpoints(client: Client) -> None:
    developer = make_developer()
    headers = bearer(developer, is_admin=True)
    for number in range(20):
        make_endpoint(developer, f"{URL}/{number}")
    answer = send(client, "POST", "", headers, {"url": URL, "events": ["*"]})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["url"])
    assert WebhookEndpoint.objects.count() == 20


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "action"),
    [("POST", None), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret")],
)
def test_a_standard_key_can_only_read(client: Client, method: str, action: str | None) -> None:
    developer = make_developer()
    endpoint, secret = make_endpoint(developer, URL)
    headers = bearer(developer)
    path = "" if action is None else f"/{endpoint.pk}{action}"
    answer = send(client, method, path, headers, {"url": "https://example.com/x", "events": ["*"]})
    assert (answer.status_code, answer.json()["reason"]) == (403, "admin_key_required")
    stored = WebhookEndpoint.objects.get()
    assert (stored.url, stored.deleted_at, signing_keys(stored.signing_secret).current) == (URL, None, secret)
    assert not Event.objects.exists()
    assert send(client, "GET", f"/{endpoint.pk}", headers).status_code == 200


@pytest.mark.django_db
def test_each_endpoint_gets_its_subscribed_events_in_addition_to_the_number() -> None:
    developer = make_developer()
    everything, _ = make_endpoint(developer, URL)
    some, _ = make_endpoint(developer, URL, "call.ended", "call.hangup")
    make_endpoint(developer, URL, "call.ended")
    make_endpoint(developer, URL, enabled=False)
    account_endpoints.delete(developer=developer, pk=make_endpoint(developer, URL)[0].pk)
    make_endpoint(make_developer(), URL)
    secret, _ = make_secret_for(developer)
    event = put(developer, to=[Address("https://example.com/number", secret.pk)])
    sent = {row.endpoint_id: row for row in WebhookDelivery.objects.all()}
    assert sent.keys() == {None, everything.pk, some.pk}
    assert sent[None].webhook_id != event.public_id
    assert {sent[pk].webhook_id for pk in (everything.pk, some.pk)} == {event.public_id}
    assert {row.body for row in sent.values()} == {event.body}


@pytest.mark.django_db
def test_changes_apply_to_retries_in_progress() -> None:
    developer = make_developer()
    moved, disabled, deleted = (make_endpoint(developer, URL)[0] for _ in range(3))
    put(developer)
    account_endpoints.update(developer=developer, pk=moved.pk, url="https://example.com/new")
    account_endpoints.update(developer=developer, pk=disabled.pk, enabled=False)
    account_endpoints.delete(developer=developer, pk=deleted.pk)
    rows = {row.endpoint_id: (row.status, row.url) for row in WebhookDelivery.objects.all()}
    assert rows == {
        moved.pk: ("pending", "https://example.com/new"), disabled.pk: ("failed", URL), deleted.pk: ("failed", URL)
    }  # fmt: skip
    WebhookDelivery.objects.filter(endpoint=moved).update(status="failed", url=URL)
    assert redelivery.resend_failed(developer=developer) == 1
    assert rows == {row.endpoint_id: (row.status, row.url) for row in WebhookDelivery.objects.all()}


@pytest.mark.django_db
def test_nothing_is_resent_to_a_deleted_endpoint(client: Client) -> None:
    developer = make_developer()
    endpoint, _ = make_endpoint(developer, URL)
    row = put(developer).deliveries.get()
    account_endpoints.delete(developer=developer, pk=endpoint.pk)
    options: dict[str, Any] = {"content_type": "application/json", "headers": bearer(developer)}
    assert client.post(f"/api/v1/webhook-logs/{row.pk}/resend", **options).status_code == 409
    assert client.post("/api/v1/webhook-logs/resend-failed", **options).json() == {"data": {"resent": 0}}
    assert WebhookDelivery.objects.get().status == "failed"


@pytest.mark.django_db
def test_retries_last_a_day_with_one_email_a_day() -> None:
    developer = make_developer()
    for url in (URL, f"{URL}/2"):
        make_endpoint(developer, url)
    first, second = put(developer).deliveries.order_by("endpoint_id")
    refused = PostResult(503, "no", 20, None)
    at, waits = timezone.now(), []
    for _ in range(8):
        first.refresh_from_db()
        outcomes.record_failure(first, refused, at, retry_schedule.ENDPOINT_RETRY_DELAYS_SECONDS)
        first.refresh_from_db()
        run_jobs()
        if first.next_attempt_at:
            waits.append((first.next_attempt_at - at - timedelta(milliseconds=20)).total_seconds())
            at = first.next_attempt_at
        assert len(mail.outbox) == (first.attempt_count >= 4)
    assert waits == [5, 30, 120, 600, 3600, 21_600, 57_600]
    assert (first.status, first.attempt_count) == ("failed", 8)
    assert URL in mail.outbox[0].body
    assert mail.outbox[0].to == [developer.email]
    for _ in range(4):
        second.refresh_from_db()
        outcomes.record_failure(second, refused, at, retry_schedule.ENDPOINT_RETRY_DELAYS_SECONDS)
    run_jobs()
    assert len(mail.outbox) == 1
    notice = WebhookDelivery.objects.get(event_type="webhook_endpoint.failing")
    assert notice.url == f"{URL}/2"  # the other endpoint
    check_webhook(json.loads(notice.body))
    assert json.loads(notice.body)["webhook_endpoint_id"] == str(first.endpoint_id)
    assert list(WebhookEndpoint.objects.values_list("enabled", flat=True)) == [True, True]
    WebhookEndpoint.objects.update(failure_emailed_at=timezone.now() - timedelta(hours=25))
    third = put(developer).deliveries.order_by("endpoint_id")[0]
    for _ in range(4):
        third.refresh_from_db()
        outcomes.record_failure(third, refused, at, retry_schedule.ENDPOINT_RETRY_DELAYS_SECONDS)
    run_jobs()
    assert len(mail.outbox) == 2


@pytest.mark.django_db
def test_successful_deliveries_are_recorded_together_and_each_once() -> None:
    developer = make_developer()
    for place in range(3):
        make_endpoint(developer, f"{URL}/{place}")
    first, second, third = put(developer).deliveries.order_by("endpoint_id")
    WebhookDelivery.objects.filter(pk=second.pk).update(attempt_count=2)
    second.refresh_from_db()
    WebhookDelivery.objects.filter(pk=third.pk).update(status="failed", next_attempt_at=None)
    arrived, at = PostResult(200, "ok", 20, None), timezone.now()
    arrivals = [outcomes.Arrival(row, arrived, at) for row in (first, second, third, first)]
    with CaptureQueriesContext(connection) as queries:
        outcomes.record_arrivals(arrivals)
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 2  # for any number of deliveries
    outcomes.record_arrivals(arrivals)
    rows = WebhookDelivery.objects.order_by("endpoint_id").values_list("status", "attempt_count", "next_attempt_at")
    assert list(rows) == [("delivered", 1, None), ("delivered", 3, None), ("failed", 0, None)]
    attempts = WebhookAttempt.objects.order_by("delivery__endpoint_id")
    assert list(
        attempts.values_list("delivery", "number", "response_status", "response_body", "success", "created_at")
    ) == [
        (first.pk, 1, 200, "ok", True, at),
        (second.pk, 3, 200, "ok", True, at),
    ]


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_can_be_disabled_while_its_failure_is_being_recorded() -> None:
    developer = make_developer()
    endpoint, _ = make_endpoint(developer, URL)
    row = put(developer).deliveries.get()
    WebhookDelivery.objects.update(attempt_count=3)
    row.refresh_from_db()
    waits = (1.0,) * 7

    def fail() -> None:
        try:
            outcomes.record_failure(row, PostResult(503, "no", 20, None), timezone.now(), waits)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
            failed = threads.submit(fail)
            eventually(is_any_query_blocked)
            account_endpoints.update(developer=developer, pk=endpoint.pk, enabled=False)
        failed.result()
    row.refresh_from_db()
    assert (row.status, row.attempt_count, row.attempts.count()) == ("failed", 3, 0)


def is_any_query_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # the snapshot would not change within a transaction
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
async def test_deliveries_are_signed_with_the_endpoint_s_secret_and_have_the_event_s_id() -> None:
    developer = await sync_to_async(make_developer)()
    async with Receiver() as receiver:
        endpoint, secret = await sync_to_async(make_endpoint)(developer, f"{receiver.url}/flaky")
        deleted, _ = await sync_to_async(make_endpoint)(developer, f"{receiver.url}/gone")
        receiver.failures_left = 2
        task = asyncio.create_task(Dispatcher(retry_delays=(), endpoint_retry_delays=(0.05, 0.05)).run())
        try:
            event = await sync_to_async(put_while_deleting)(developer, deleted)
            received = await receiver.wait_for(3)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await sync_to_async(lambda: connection.close())()
    keys = await sync_to_async(lambda: signing_keys(endpoint.signing_secret))()
    assert keys.current == secret
    unsent = await WebhookDelivery.objects.aget(endpoint=deleted)
    assert (unsent.status, unsent.attempt_count, len(receiver.received)) == ("failed", 0, 3)
    for request in received:
        expected = signature_headers(keys, event.body, event.public_id, int(request.headers["X-Timestamp"]))
        assert {name: request.headers[name] for name in expected} == expected
