"""Utterances of many calls are written together: as many queries as for one, and each account's webhooks are its own."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Developer
from calls import timeline
from calls.models import Call, TranscriptEntry
from calls.timeline import Segment
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_endpoint
from webhooks.models import Event, WebhookDelivery

pytestmark = pytest.mark.django_db
HOOK = "http://127.0.0.1:9/number"


def make_live_call(developer: Developer, now: datetime, *, is_live: bool = True, **fields: object) -> Call:
    number = make_streaming_number(developer, webhook_url=HOOK, realtime_transcript=is_live)
    return make_call(number, now, **fields)


def sent(developer: Developer) -> list[tuple[str, str, str]]:
    """URL, call and text of each message to an account's servers."""
    rows = WebhookDelivery.objects.filter(developer=developer, event_type="call.transcript.segment").order_by("pk")
    bodies = [(row.url, json.loads(row.body)) for row in rows]
    return [(url, body["call_id"], body["text"]) for url, body in bodies]


def test_segments_of_several_accounts_are_written_in_order_and_sent_to_their_own_servers() -> None:
    now = timezone.now()
    developer, other = make_account(), make_account()
    make_endpoint(developer, "http://127.0.0.1:9/one")
    make_endpoint(developer, "http://127.0.0.1:9/hangups", "call.hangup")
    make_endpoint(other, "http://127.0.0.1:9/other", "call.transcript.segment")
    first, second, quiet = (
        make_live_call(developer, now),
        make_live_call(other, now),
        make_live_call(developer, now, is_live=False),
    )
    timeline.add_segments(
        [
            Segment(first.pk, "user", "Are you open?", now, "a"),
            Segment(second.pk, "model", "Good morning.", now, "b" * 200, 740, True),
            Segment(first.pk, "model", "Yes.", now),
            Segment(quiet.pk, "user", "Hello?", now),
        ]
    )
    fields = ("call_id", "role", "text", "spoken_at", "item_id", "interrupted", "interrupted_at_ms", "commentary")
    assert list(TranscriptEntry.objects.order_by("pk").values_list(*fields)) == [
        (first.pk, "user", "Are you open?", now, "a", False, None, False),
        (second.pk, "model", "Good morning.", now, "b" * 100, True, 740, True),
        (first.pk, "model", "Yes.", now, "", False, None, False),
        (quiet.pk, "user", "Hello?", now, "", False, None, False),
    ]
    assert sent(developer) == [
        (HOOK, str(first.pk), "Are you open?"),
        ("http://127.0.0.1:9/one", str(first.pk), "Are you open?"),
        (HOOK, str(first.pk), "Yes."),
        ("http://127.0.0.1:9/one", str(first.pk), "Yes."),
    ]
    assert sent(other) == [
        (HOOK, str(second.pk), "Good morning."),
        ("http://127.0.0.1:9/other", str(second.pk), "Good morning."),
    ]
    subjects = Event.objects.order_by("pk").values_list("subject", flat=True)
    assert list(subjects) == [f"call:{first.pk}", f"call:{second.pk}", f"call:{first.pk}"]


def test_a_segment_that_comes_after_the_end_was_said_before_it() -> None:
    now = timezone.now()
    ended = now - timedelta(seconds=1)
    call = make_live_call(make_account(), now, transferred_at=ended)
    timeline.add_segments([Segment(call.pk, "user", "Goodbye.", now)])
    assert TranscriptEntry.objects.get().spoken_at == ended


def test_many_segments_take_as_many_queries_as_one() -> None:
    now = timezone.now()
    developer = make_account()
    make_endpoint(developer, "http://127.0.0.1:9/one")
    segments = [Segment(make_live_call(developer, now).pk, "user", f"Sentence {place}.", now) for place in range(20)]
    with CaptureQueriesContext(connection) as queries_of_one:
        timeline.add_segments(segments[:1])
    with CaptureQueriesContext(connection) as queries_of_all:
        timeline.add_segments(segments)
    assert len(queries_of_all) == len(queries_of_one) == 5
    assert len(sent(developer)) == 2 + 40
