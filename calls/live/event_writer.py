"""Writes a live session's events to the database: queued without waiting, written in batches by one thread per process."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.utils import timezone

from bubblyphone.core.database import commit_outcome
from bubblyphone.core.database.commit_hooks import note_after_commit
from bubblyphone.core.monitoring.logs import in_context
from calls import metrics, timeline
from calls.control import lifecycle
from calls.models import SpeechTime
from calls.session.turn_clock import TurnTimes

logger = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
# With many calls, batches start this far apart, because a large one costs little more than a small one. After a quiet moment, and if
# someone waits for it, a batch starts at once.
GATHER_SECONDS = 0.1
MAX_QUEUED = 20_000
# Temporary: the same write succeeds when the database is back, has space again, or is less busy.
DATABASE_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class LockingWrite:
    """A write that locks its call's row. It has a separate transaction.

    A batch that kept the rows of several calls locked could wait for another transaction that waits for the batch.
    """

    write: Callable[[], object]

    def __call__(self) -> None:
        self.write()


# Segments of transcripts are written together.
Write = Callable[[], object] | LockingWrite | timeline.Segment


class BatchWriter:
    """One per process: everything queued while a batch is being written, and for a moment after it, forms the next batch."""

    def __init__(self) -> None:
        self._queue: list[Write] = []
        self._lock = threading.Lock()
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Event | None = None
        self._is_awaited: asyncio.Event | None = None
        self._waiting = 0  # for `drained`
        self._committing: tuple[str, int] | None = None  # a transaction of unknown outcome, and its number of writes
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")

    def put(self, write: Write) -> None:
        """Queue a write. Called on the event loop; returns at once."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first use, or a new loop in the same process (tests)
            self._loop, self._wake, self._idle, self._is_awaited = (
                loop,
                asyncio.Event(),
                asyncio.Event(),
                asyncio.Event(),
            )
            self._waiting = 0
            self._task = loop.create_task(self._run(self._wake, self._idle, self._is_awaited))
        assert self._wake is not None
        assert self._idle is not None
        if len(self._queue) < MAX_QUEUED:
            self._queue.append(write)
        self._idle.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until everything queued so far is written."""
        if not self._queue or self._idle is None or self._is_awaited is None:
            return
        self._waiting += 1
        self._is_awaited.set()
        try:
            await self._idle.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._is_awaited.clear()

    async def _run(self, wake: asyncio.Event, idle: asyncio.Event, is_awaited: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        next_at = 0.0
        while True:
            await wake.wait()
            wake.clear()
            while self._queue:
                if loop.time() < next_at:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(next_at):
                            await is_awaited.wait()
                next_at = loop.time() + GATHER_SECONDS
                batch = self._queue[:]
                done = await loop.run_in_executor(self.thread, in_context(self._write, batch))
                del self._queue[:done]
                if done < len(batch):
                    await asyncio.sleep(RETRY_SECONDS)
            idle.set()

    def _write(self, batch: list[Write]) -> int:
        """Runs in the thread. Returns how many writes are done; if not all, the database is unavailable."""
        try:
            done = self._already_committed()
        except DATABASE_AWAY as error:
            return self._away(0, error)
        for together in _transactions(batch[done:]):
            written = self._write_together(together)
            done += written
            if written < len(together):
                break
        return done

    def _write_together(self, batch: Sequence[Write]) -> int:
        try:
            self._commit(batch)
        except DATABASE_AWAY as error:
            return self._away(0, error)
        except Exception:  # noqa: BLE001  found again, and told, by the one that is at fault
            return self._write_singly(batch)
        return len(batch)

    def _write_singly(self, batch: Sequence[Write]) -> int:
        """Writes that can never succeed are dropped: they must not block those of other calls."""
        for done, write in enumerate(batch):
            try:
                self._commit([write])
            except DATABASE_AWAY as error:
                return self._away(done, error)
            except Exception as error:  # noqa: BLE001  its message would tell what was said
                logger.error(
                    "A call record could not be written and was dropped", extra={"error": type(error).__name__}
                )
        return len(batch)

    def _commit(self, writes: Sequence[Write]) -> None:
        self._committing = None
        with transaction.atomic():
            for step in _steps(writes):
                step()
            self._committing = commit_outcome.transaction_id(), len(writes)
        self._committing = None

    def _already_committed(self) -> int:
        """How many writes at the start of the queue are stored, although the connection broke before the response to COMMIT."""
        if self._committing is None:
            return 0
        transaction_id, count = self._committing
        done = count if commit_outcome.was_committed(transaction_id) else 0
        self._committing = None
        return done

    def _away(self, done: int, error: Exception) -> int:
        reason = type(error.__cause__ or error).__name__  # psycopg's, such as AdminShutdown or DiskFull
        logger.error("Call records are queued because the database does not store them", extra={"error": reason})
        close_old_connections()
        return done


def _transactions(batch: Sequence[Write]) -> Iterator[list[Write]]:
    """The batch in order, in the parts that are written in one transaction each."""
    for locks, writes in groupby(batch, lambda write: isinstance(write, LockingWrite)):
        if locks:
            yield from ([write] for write in writes)
        else:
            yield list(writes)


def _steps(batch: Sequence[Write]) -> Iterator[Callable[[], object]]:
    """The batch in order, with segments that follow each other as one write."""
    segments: list[timeline.Segment] = []
    for write in batch:
        if isinstance(write, timeline.Segment):
            segments.append(write)
            continue
        if segments:
            yield partial(timeline.add_segments, segments)
            segments = []
        yield write
    if segments:
        yield partial(timeline.add_segments, segments)


WRITER = BatchWriter()


class EventWriter:
    """The observer of one live call (calls.session.call_session.Observer)."""

    def __init__(self, call_id: int, writer: BatchWriter = WRITER) -> None:
        self._call_id = call_id
        self._writer = writer

    def event(self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming") -> None:
        at, call_id, data = timezone.now(), self._call_id, dict(metadata or {})
        write = partial(_add_event, call_id, event_type, source, at=at, **data)
        self._writer.put(LockingWrite(write) if event_type == timeline.NOTED_ON_CALL else write)

    def transcript(
        self, role: str, text: str, *, item_id: str = "", interrupted_at_ms: int | None = None, commentary: bool = False
    ) -> None:
        words = text.replace("\x00", "")  # PostgreSQL cannot store null characters, whatever a model sends
        self._writer.put(
            timeline.Segment(self._call_id, role, words, timezone.now(), item_id, interrupted_at_ms, commentary)
        )

    def interrupted(self, item_id: str, heard_ms: int, share: float) -> None:
        call_id = self._call_id
        self._writer.put(lambda: timeline.mark_interrupted(call_id, item_id, heard_ms, share))

    def turn(self, times: TurnTimes, seconds_ago: float) -> None:
        at, call_id = timezone.now() - timedelta(seconds=seconds_ago), self._call_id
        self._writer.put(lambda: _add_turn(call_id, times, at=at))

    def spoke(self, role: str, began_ago: float, ended_ago: float) -> None:
        now, call_id = timezone.now(), self._call_id
        began_at, ended_at = (now - timedelta(seconds=ago) for ago in (began_ago, ended_ago))
        self._writer.put(
            lambda: SpeechTime.objects.create(call_id=call_id, role=role, began_at=began_at, ended_at=ended_at)
        )

    def model_spoke(self) -> None:
        at, call_id = timezone.now(), self._call_id
        self._writer.put(LockingWrite(lambda: lifecycle.model_spoke(call_id, at=at)))

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None:
        self.event("tool.called", {"tool": tool, "arguments": dict(arguments)})

    async def drained(self) -> None:
        await self._writer.drained()


def _add_event(call_id: int, event_type: str, source: str, *, at: datetime, **data: Any) -> None:
    timeline.add_event(call_id, event_type, source, at=at, **data)
    note_after_commit(metrics.note_event, call_id, event_type, data)


def _add_turn(call_id: int, times: TurnTimes, *, at: datetime) -> None:
    timeline.add_turn(call_id, times, at=at)
    note_after_commit(metrics.note_turn, call_id, times)
