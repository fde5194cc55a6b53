"""Connects a session's media connection with its recording and the recording's row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.utils import timezone

from calls.after_call import recordings
from calls.after_call.recording_files import draft_path
from calls.live.call_recorder import CallRecorder, RecordedTransport
from calls.live.event_writer import WRITER
from calls.session.transport import MediaTransport


@asynccontextmanager
async def taped(call_id: int, transport: MediaTransport, *, is_wanted: bool) -> AsyncIterator[MediaTransport]:
    """The same connection; with `is_wanted`, recorded until the block ends. Database writes are queued, so the call never waits."""
    if not is_wanted:
        yield transport
        return
    began_at = timezone.now()
    tape = CallRecorder(draft_path(call_id), transport.audio_format)
    WRITER.put(lambda: recordings.session_began(call_id, at=began_at))
    try:
        yield RecordedTransport(transport, tape)
    finally:
        await tape.close()
        ended_at = timezone.now()
        WRITER.put(lambda: recordings.session_ended(call_id, at=ended_at))
