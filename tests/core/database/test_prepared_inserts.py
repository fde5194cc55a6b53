"""Inserts whose SQL is written once: the same rows as from Django, in order, for any number of them."""

from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bubblyphone.core.database.prepared_inserts import PreparedInsert
from calls.models import CallEvent, TranscriptEntry
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import Event, WebhookDelivery

pytestmark = pytest.mark.django_db


def entries(call_id: int, at: datetime) -> list[TranscriptEntry]:
    entry_fields: list[dict[str, Any]] = [
        {"role": "user", "text": 'A "quoted", {braced} \\ text, 100%s ☎', "interrupted_at_ms": None},
        {"role": "model", "text": "", "item_id": "item_1", "interrupted": True, "interrupted_at_ms": 740},
        {"role": "human", "text": "NULL", "item_id": "NULL", "commentary": True},
    ]
    return [TranscriptEntry(call_id=call_id, spoken_at=at, **fields) for fields in entry_fields]


def test_rows_are_those_of_django() -> None:
    now = timezone.now()
    call = make_call(make_streaming_number(make_account()), now)
    insert, rows = PreparedInsert(TranscriptEntry), entries(call.pk, now)
    insert.write(rows)
    TranscriptEntry.objects.bulk_create(entries(call.pk, now))
    stored = [
        {name: value for name, value in row.items() if name != "id"}
        for row in TranscriptEntry.objects.order_by("pk").values()
    ]
    assert stored[:3] == stored[3:]
    assert [row.pk for row in rows] == [*TranscriptEntry.objects.order_by("pk").values_list("pk", flat=True)][:3]
    rows[1].text = "Yes."
    rows[1].save(update_fields=["text"])  # an existing row, in the right database
    assert TranscriptEntry.objects.get(pk=rows[1].pk).text == "Yes."


def test_any_number_of_rows_is_one_statement() -> None:
    now = timezone.now()
    call = make_call(make_streaming_number(make_account()), now)
    insert = PreparedInsert(TranscriptEntry)
    for count in (3, 1, 300):
        rows = [TranscriptEntry(call_id=call.pk, role="user", text=str(place), spoken_at=now) for place in range(count)]
        with CaptureQueriesContext(connection) as queries:
            insert.write(rows)
        assert len(queries) == 1
        stored = TranscriptEntry.objects.order_by("-pk").values_list("pk", "text")[:count]
        assert [*stored][::-1] == [(row.pk, row.text) for row in rows]
    with CaptureQueriesContext(connection) as queries:
        insert.write([])
    assert len(queries) == 0


def test_json_columns_are_refused() -> None:
    event = CallEvent(call_id=1, event_type="stream.connected", source="streaming")
    with pytest.raises(TypeError, match="no JSON columns"):
        PreparedInsert(CallEvent).write([event])


def test_a_text_that_is_too_long_is_refused() -> None:
    event = Event(public_id="evt_1", developer=make_account(), subject="call:1", event_type="e" * 61, body="{}")
    with pytest.raises(DataError, match="too long"), transaction.atomic():
        PreparedInsert(Event).write([event])
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_listeners_are_woken_at_the_commit() -> None:
    call = make_call(make_streaming_number(make_account()), timezone.now())
    number = call.phone_number
    assert number is not None
    insert = PreparedInsert(WebhookDelivery, wakes="bell")
    fields = {
        "developer": call.developer,
        "signing_secret": number.signing_secret,
        "subject": "call:1",
        "event_type": "call.hangup",
        "url": "http://127.0.0.1:9/",
        "body": "{}",
    }
    rows = [WebhookDelivery(webhook_id=str(place), **fields) for place in range(2)]
    parameters = connection.get_connection_params()
    given = {name: parameters[name] for name in parameters if name not in ("cursor_factory", "context")}
    with psycopg.connect(**given, autocommit=True) as listener:
        listener.execute("LISTEN bell")
        with transaction.atomic():
            insert.write(rows)
            assert [*listener.notifies(timeout=0)] == []
        assert [notification.channel for notification in listener.notifies(timeout=30, stop_after=1)] == ["bell"]
    assert WebhookDelivery.objects.count() == 2
