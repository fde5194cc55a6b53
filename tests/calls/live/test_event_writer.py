"""A live session's events are written in order, and an event that cannot be written does not block the others."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from django.utils import timezone

from calls.live.event_writer import BatchWriter, EventWriter
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number

pytestmark = pytest.mark.django_db(transaction=True)
UNKNOWN_CALL = 999_999_999


@pytest.fixture
async def writer() -> AsyncIterator[BatchWriter]:
    """A writer. Afterwards its thread's and the test's database connections are closed."""
    writer = BatchWriter()
    yield writer
    await asyncio.wrap_future(writer.thread.submit(connections.close_all))
    await sync_to_async(connections.close_all)()


@sync_to_async
def running_call() -> Call:
    return make_call(make_streaming_number(make_account("10")), timezone.now())


@sync_to_async
def written(call: Call) -> list[str]:
    said = [entry.text for entry in call.transcript.order_by("id")]
    return [*said, *call.events.order_by("id").values_list("event_type", flat=True)]


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


async def test_a_batch_waits_for_more_writes_until_somebody_waits_for_it(
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
