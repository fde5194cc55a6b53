"""A live session's events are written in order, and an event that cannot be written does not block the others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections
from django.utils import timezone

from calls.live.event_writer import BatchWriter, EventWriter, LockingWrite
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.fakes.lossy_database import LossyDatabase

pytestmark = pytest.mark.django_db(transaction=True)
UNKNOWN_CALL = 999_999_999


@pytest.fixture
async def writer() -> AsyncIterator[BatchWriter]:
    """A writer. Afterwards its thread's and the test's database connections are closed."""
    writer = BatchWriter()
    yield writer
    await asyncio.wrap_future(writer.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


@pytest.fixture
def lossy_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyDatabase]:
    """Between the writers' threads and the database from now on."""
    parameters = connection.get_connection_params()
    with LossyDatabase(parameters["host"], parameters["port"]) as proxy:
        for name, value in {"HOST": "127.0.0.1", "PORT": proxy.port}.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        yield proxy


@sync_to_async
def running_call() -> Call:
    return make_call(make_streaming_number(make_account("10")), timezone.now())


def seen_elsewhere(query: str, call_id: int) -> object:
    """What another connection sees. Raises LockNotAvailable, if the query would have to wait."""
    parameters = connection.get_connection_params()
    given = {name: parameters[name] for name in parameters if name not in ("cursor_factory", "context")}
    with psycopg.connect(**given) as other:
        row = other.execute(query, [call_id]).fetchone()
    return row and row[0]


@sync_to_async
def written(call: Call) -> list[str]:
    texts = [entry.text for entry in call.transcript.order_by("id")]
    return [*texts, *call.events.order_by("id").values_list("event_type", flat=True)]


async def test_events_that_cannot_be_written_are_dropped_and_the_rest_are_written(
    writer: BatchWriter, caplog: pytest.LogCaptureFixture
) -> None:
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    recorder.event("stream.error", {"detail": "first"})
    recorder.event("tool.called", {"arguments": {"city": {"a secret"}}})
    EventWriter(UNKNOWN_CALL, writer).event("stream.error")
    recorder.transcript("model", "Hello\x00 there.")
    recorder.event("stream.disconnected")
    await asyncio.wait_for(recorder.drained(), 30)
    assert await written(call) == ["Hello there.", "stream.error", "stream.disconnected"]
    assert caplog.text.count("dropped") == 2
    assert "secret" not in caplog.text


async def test_writes_are_retried_until_the_database_is_back(
    writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.live.event_writer.RETRY_SECONDS", 0.05)
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    attempts = []

    def refuse_twice() -> None:
        attempts.append(1)
        if len(attempts) <= 2:
            raise OperationalError("the connection is closed")

    recorder.event("stream.error")
    writer.put(refuse_twice)
    recorder.event("stream.disconnected")
    await asyncio.wait_for(recorder.drained(), 30)
    assert await written(call) == ["stream.error", "stream.disconnected"]
    assert len(attempts) == 3


async def test_an_event_without_a_model_is_written_once(writer: BatchWriter, caplog: pytest.LogCaptureFixture) -> None:
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    recorder.event("model.reconnected", {"reason": "dropped"})
    recorder.event("stream.disconnected")
    await asyncio.wait_for(recorder.drained(), 30)
    assert await written(call) == ["model.reconnected", "stream.disconnected"]
    # Threads left by earlier tests log too.
    assert [record for record in caplog.records if record.name == "calls.live.event_writer"] == []


async def test_a_batch_waits_for_more_writes_until_someone_waits_for_it(
    writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.live.event_writer.GATHER_SECONDS", 3600)
    loop = asyncio.get_running_loop()
    written_first: asyncio.Future[None] = loop.create_future()
    order: list[str] = []
    writer.put(lambda: loop.call_soon_threadsafe(written_first.set_result, None))
    await asyncio.wait_for(written_first, 30)  # after a quiet moment: at once
    for name in ("second", "third"):
        writer.put(partial(order.append, name))
    for _ in range(5):  # the writer's task has its turns
        await asyncio.sleep(0)
    await asyncio.wrap_future(writer.thread.submit(int))  # a batch that had begun would be written by now
    assert order == []
    await asyncio.wait_for(writer.drained(), 30)
    assert order == ["second", "third"]


async def test_a_segment_that_cannot_be_written_does_not_take_others_with_it(
    writer: BatchWriter, caplog: pytest.LogCaptureFixture
) -> None:
    call = await running_call()
    EventWriter(UNKNOWN_CALL, writer).transcript("user", "Nobody said this.")
    recorder = EventWriter(call.pk, writer)
    recorder.transcript("user", "Are you open?")
    recorder.transcript("model", "Yes.")
    recorder.event("stream.disconnected")
    await asyncio.wait_for(recorder.drained(), 30)
    assert await written(call) == ["Are you open?", "Yes.", "stream.disconnected"]
    dropped = [record for record in caplog.records if record.name == "calls.live.event_writer"]
    assert [record.getMessage() for record in dropped] == ["A call record could not be written and was dropped"]


async def test_a_batch_keeps_no_call_locked(writer: BatchWriter) -> None:
    """Otherwise batches and other transactions with several calls could wait for each other."""
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    found: list[object] = []
    lock = "SELECT id FROM calls_call WHERE id = %s FOR UPDATE NOWAIT"
    count = "SELECT count(*) FROM calls_callevent WHERE call_id = %s"
    recorder.event("stream.disconnected")
    writer.put(LockingWrite(lambda: found.append(seen_elsewhere(count, call.pk))))
    for change in (recorder.model_spoke, partial(recorder.event, "voicemail.message_left")):
        change()
        writer.put(lambda: found.append(seen_elsewhere(lock, call.pk)))
    await asyncio.wait_for(recorder.drained(), 30)
    assert found == [1, call.pk, call.pk]
    await sync_to_async(call.refresh_from_db)()
    assert (call.model_spoke_at is not None, call.voicemail_message_left) == (True, True)


async def test_writes_after_a_lost_connection_are_done_once(
    writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.live.event_writer.RETRY_SECONDS", 0.05)
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    attempts: list[int] = []

    def lose_the_connection_once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            end = "SELECT count(pg_terminate_backend(%s))"
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                seen_elsewhere(end, cursor.fetchone()[0])

    recorder.transcript("user", "Are you open?")
    recorder.model_spoke()
    recorder.event("stream.error")
    writer.put(lose_the_connection_once)
    recorder.transcript("model", "Yes.")
    await asyncio.wait_for(recorder.drained(), 30)
    assert await written(call) == ["Are you open?", "Yes.", "stream.error"]
    assert len(attempts) == 2


@pytest.mark.parametrize("lost", ["message", "response"])
async def test_a_batch_is_written_once_if_the_connection_breaks_during_its_commit(
    lost: str,
    writer: BatchWriter,
    lossy_database: LossyDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("calls.live.event_writer.RETRY_SECONDS", 0.05)
    call = await running_call()
    recorder = EventWriter(call.pk, writer)
    recorder.transcript("user", "Are you open?")
    recorder.event("stream.error")
    losses = [lost]  # only at the first attempt
    writer.put(lambda: losses and setattr(lossy_database, "lose", losses.pop()))
    await asyncio.wait_for(recorder.drained(), 30)
    recorder.transcript("model", "Yes.")
    await asyncio.wait_for(recorder.drained(), 30)
    assert lossy_database.lose == ""
    assert await written(call) == ["Are you open?", "Yes.", "stream.error"]
    open_transactions = (
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%%' AND datname = current_database() AND %s > 0"
    )
    assert await sync_to_async(seen_elsewhere)(open_transactions, 1) == 0
    queued = {record.getMessage() for record in caplog.records if record.name == "calls.live.event_writer"}
    assert queued == {"Call records are queued because the database does not store them"}
