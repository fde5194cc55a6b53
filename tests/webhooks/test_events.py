"""Events are written together with what they report, read exactly once despite concurrent writes, and kept for 30 days."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.errors import InvalidRequest
from calls import timeline
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer, make_developer, make_secret_for
from webhooks import event_feed
from webhooks.models import Event, WebhookDelivery
from webhooks.outbox import Address, publish

WRITERS, EACH = 8, 40


def put(developer: Developer, event_type: str = "call.hangup", subject: str = "call:42", **payload: Any) -> Event:
    body = {"event": event_type, **payload}
    return publish(developer_id=developer.pk, subject=subject, event_type=event_type, payload=body)


def read_all(client: Client, headers: dict[str, str], after: str = "", **query: Any) -> list[dict[str, Any]]:
    """Read all events like a client: from the last ID until there are no more."""
    found: list[dict[str, Any]] = []
    while True:
        answer = client.get("/api/v1/events", {**query, **({"after": after} if after else {})}, headers=headers)
        assert answer.status_code == 200, answer.content
        if not answer.json()["data"]:
            return found
        found += answer.json()["data"]
        after = found[-1]["id"]


@pytest.mark.django_db
def test_an_event_is_returned_with_its_body(client: Client) -> None:
    developer = make_developer()
    about_call, other = put(developer, cost=0.1), put(developer, "number.released", "number:7")
    put(make_developer())
    answer = client.get("/api/v1/events", headers=bearer(developer)).json()
    at = answer["data"][0]["created_at"]
    assert answer["data"][0] == {
        "id": about_call.public_id, "type": "call.hangup", "created_at": at, "call_id": 42,
        "data": {"event": "call.hangup", "cost": 0.1},
    }  # fmt: skip
    assert (answer["data"][1]["id"], answer["data"][1]["call_id"]) == (other.public_id, None)
    assert about_call.public_id.startswith("evt_")
    assert answer["meta"] == {"per_page": 25, "next_cursor": None, "prev_cursor": None}
    assert answer["links"] == {"next": None, "prev": None}


@pytest.mark.django_db
def test_pages_and_filters(client: Client) -> None:
    developer = make_developer()
    ids = [put(developer, name).public_id for name in ("call.hangup", "call.ended", "call.dtmf", "call.ended")]
    headers = bearer(developer)
    first = client.get("/api/v1/events?per_page=3", headers=headers).json()
    assert [event["id"] for event in first["data"]] == ids[:3]
    assert first["meta"]["next_cursor"] == ids[2]
    assert [event["id"] for event in client.get(first["links"]["next"], headers=headers).json()["data"]] == ids[3:]
    assert [event["id"] for event in read_all(client, headers, type="call.ended, call.dtmf")] == ids[1:]
    assert [event["id"] for event in read_all(client, headers, after=ids[1], type="call.ended")] == ids[3:]
    Event.objects.filter(public_id=ids[0]).update(created_at=timezone.now() - timedelta(hours=2))
    since = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert [event["id"] for event in read_all(client, headers, since=since)] == ids[1:]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=evt_0", "after"),
        ("after=", "after"),
        ("cursor=evt_0", "after"),
        ("cursor=evt_%00", "after"),
        ("since=yesterday", "since"),
        ("type=call.tool_call", "type"),
        ("type=call.ended,nonsense", "type"),
        ("per_page=101", "per_page"),
        ("before=3", "before"),
    ],
)
def test_invalid_queries_are_422(client: Client, query: str, field: str) -> None:
    answer = client.get(f"/api/v1/events?{query}", headers=bearer(make_developer()))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


@pytest.mark.django_db
def test_another_account_s_event_cannot_be_a_starting_point(client: Client) -> None:
    other = put(make_developer())
    assert client.get(f"/api/v1/events?after={other.public_id}", headers=bearer(make_developer())).status_code == 422


@pytest.mark.django_db
def test_events_are_kept_for_30_days_and_deliveries_longer() -> None:
    developer = make_developer()
    address = Address("https://example.com/", make_secret_for(developer)[0].pk)
    old, recent = (
        publish(developer_id=developer.pk, subject="call:1", event_type="call.ended", payload={}, to=[address])
        for _ in range(2)
    )
    Event.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=30, minutes=1))
    Event.objects.filter(pk=recent.pk).update(created_at=timezone.now() - timedelta(days=29, hours=23))
    event_feed.delete_expired()
    assert list(event_feed.after(developer.pk, None)) == [recent]
    assert list(WebhookDelivery.objects.order_by("pk").values_list("event_id", flat=True)) == [None, recent.pk]
    with pytest.raises(InvalidRequest):
        event_feed.after(developer.pk, old.public_id)


@pytest.mark.django_db
def test_an_event_without_recipients_is_also_stored() -> None:
    call = make_call(make_streaming_number(make_account()), timezone.now())
    Call.objects.update(phone_number=None)
    timeline.add_event(call.pk, "dtmf.received", "telephony", digit="5")
    (event,) = Event.objects.filter(developer=call.developer)
    assert (event.subject, event.event_type) == (f"call:{call.pk}", "call.dtmf")
    assert not WebhookDelivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_slow_transaction_comes_after_those_already_read(client: Client) -> None:
    """Its ID is lower, so a client that reads in the order of IDs would miss it."""
    developer = make_developer()
    headers = bearer(developer)
    is_written, is_read = threading.Event(), threading.Event()

    def write_slowly() -> str:
        try:
            with transaction.atomic():
                event = put(developer, n=1)
                is_written.set()
                assert is_read.wait(30)
            return event.public_id
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(write_slowly)
        assert is_written.wait(30)
        quick = put(developer, n=2)
        seen = read_all(client, headers)
        is_read.set()
        late = slow.result(30)
    assert [event["id"] for event in seen] == [quick.public_id]
    assert Event.objects.get(public_id=late).pk < quick.pk
    assert [event["id"] for event in read_all(client, headers, after=quick.public_id)] == [late]


@pytest.mark.django_db(transaction=True)
def test_a_reader_gets_each_event_exactly_once_during_eight_concurrent_writers(client: Client) -> None:
    developer = make_developer()
    headers = bearer(developer)
    writing = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        try:
            writing.wait(30)
            for number in range(EACH):
                with transaction.atomic():
                    put(developer, writer=writer, number=number)
                    if (writer + number) % 5 == 0:
                        time.sleep(0.01)  # meanwhile, events with newer IDs become visible
                    if number % 13 == 12:
                        transaction.set_rollback(True)
        finally:
            connection.close()

    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(WRITERS) as threads:
        writers = [threads.submit(write, writer) for writer in range(WRITERS)]
        while not all(writer.done() for writer in writers):
            found += read_all(client, headers, after=found[-1]["id"] if found else "", per_page=7)
        for writer in writers:
            writer.result()
    found += read_all(client, headers, after=found[-1]["id"] if found else "")
    expected = {(writer, number) for writer in range(WRITERS) for number in range(EACH) if number % 13 != 12}
    assert len(found) == len(expected)
    assert {(event["data"]["writer"], event["data"]["number"]) for event in found} == expected
    for writer in range(WRITERS):
        own = [event["data"]["number"] for event in found if event["data"]["writer"] == writer]
        assert own == sorted(own)
