"""Transactions that write to several calls do not wait for each other, and what refers to a locked call can be written."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from calls import retention, timeline
from calls.control import streams
from calls.models import Call, TranscriptEntry
from tests.calls.rows import make_account, make_call, make_streaming_number

pytestmark = pytest.mark.django_db(transaction=True)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_blocking_pids(pid) @> ARRAY[pg_backend_pid()]"


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """Another connection, in a transaction. It gives up waiting after a second, before PostgreSQL looks for deadlocks."""
    parameters = connection.get_connection_params()
    given = {name: parameters[name] for name in parameters if name not in ("cursor_factory", "context")}
    with psycopg.connect(**given) as other:
        other.execute("SET lock_timeout = '900ms'")
        yield other
        other.rollback()


def lock(other: psycopg.Connection, call: Call) -> None:
    other.execute("SELECT id FROM calls_call WHERE id = %s FOR NO KEY UPDATE", [call.pk])


def while_it_waits(work: Callable[[], object], other: psycopg.Connection, step: Callable[[], object]) -> None:
    """Start `work` in a thread, take a `step` when it waits for `other`, and end the transaction of `other`."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(run)
        try:
            while not working.done() and not other.execute(WAITING).fetchall()[0][0]:
                pass
            step()
        finally:
            other.rollback()
        working.result(30)


def test_an_event_of_a_locked_call_can_be_written(other: psycopg.Connection) -> None:
    call = make_call(make_streaming_number(make_account()), timezone.now())
    with transaction.atomic():
        Call.objects.get_for_update(call.pk)
        other.execute(
            "INSERT INTO calls_callevent (call_id, event_type, source, event_timestamp, metadata) "
            "VALUES (%s, 'stream.error', 'streaming', now(), '{}')",
            [call.pk],
        )
        other.commit()
    assert [event.event_type for event in call.events.all()] == ["stream.error"]


def test_calls_of_lost_streams_are_locked_in_the_order_of_their_ids(other: psycopg.Connection) -> None:
    number = make_streaming_number(make_account())
    first, second = (make_call(number, timezone.now()) for _ in range(2))
    first.save()  # PostgreSQL now reads it after the second
    lock(other, first)
    while_it_waits(lambda: streams.mark_streams_lost([second.pk, first.pk]), other, step=lambda: lock(other, second))
    assert Call.objects.filter(stream_lost_reason=streams.DEPLOY).count() == 2


def test_the_retention_locks_calls_before_it_deletes_what_was_said(other: psycopg.Connection) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    call = make_call(make_streaming_number(make_account()), long_ago, status="completed", ended_at=long_ago)
    timeline.add_transcript(call.pk, "user", "Hello.", at=long_ago)
    lock(other, call)
    while_it_waits(
        lambda: list(retention.delete_transcripts(call.developer_id, timezone.now())),
        other,
        step=lambda: other.execute("DELETE FROM calls_transcriptentry WHERE call_id = %s", [call.pk]),
    )
    assert not TranscriptEntry.objects.exists()
    call.refresh_from_db()
    assert call.transcript_deleted_at is not None
