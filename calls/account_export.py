"""Calls in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from accounts.extension_points import ExportFile, ExportTable, exported, owned
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages
from calls import selectors
from calls.after_call.recording_files import storage
from calls.api.caps import caps_data
from calls.api.policy_responses import DO_NOT_CALL, POLICY
from calls.api.responses import CALL, EVENT, SPOKEN, TURN
from calls.control.scheduled_calls import scheduled_of
from calls.models import (
    Call,
    CallEvent,
    CallTurn,
    Recording,
    SavedView,
    ScheduledCall,
    TranscriptEntry,
    Transcription,
    Transfer,
)
from calls.policy import services as policies

BATCH = 100


def _call(call: Call) -> dict[str, Any]:
    prompt = call.settings.system_prompt
    return {**CALL.of(call), "system_prompt": prompt, "dynamic_variables": call.dynamic_variables}


def _rows(model: Any, developer: Developer) -> Iterator[Any]:
    """The rows of the account's calls, a hundred calls at a time: these tables have no account column."""
    ids = (call.pk for call in in_pages(Call.objects.filter(developer=developer).only("pk")))
    while batch := list(islice(ids, BATCH)):
        yield from list(model.objects.filter(call__in=batch).order_by("call_id", "pk"))


def _of_calls(model: Any, shape: Any, developer: Developer) -> Iterator[dict[str, Any]]:
    for row in _rows(model, developer):
        yield {"call_id": row.call_id, **shape.of(row)}


def _transcriptions(developer: Developer) -> Iterator[dict[str, Any]]:
    for made in _rows(Transcription, developer):
        yield {"call_id": made.call_id, "source": made.source, "segments": made.segments}


def recordings(developer: Developer) -> Iterator[ExportFile]:
    """Recordings, named after their calls."""
    for recording in _rows(Recording, developer):
        if recording.name and recording.deleted_at is None:
            yield ExportFile(f"recordings/{recording.call_id}.wav", partial(storage().open, recording.name))


def _policy(developer: Developer) -> Iterator[dict[str, Any]]:
    yield POLICY.of(policies.policy_of(developer))


def _caps(developer: Developer) -> Iterator[dict[str, Any]]:
    yield caps_data(developer)


def _transfers(developer: Developer) -> Iterator[dict[str, Any]]:
    for transfer in _rows(Transfer, developer):
        yield {
            "call_id": transfer.call_id,
            "to_number": transfer.to_number,
            "briefing": transfer.briefing,
            "requested_at": format_time(transfer.requested_at),
            "answered_at": format_time(transfer.answered_at),
            "failed_at": format_time(transfer.failed_at),
            "reason": transfer.reason or None,
        }


def _scheduled(row: ScheduledCall) -> dict[str, Any]:
    return {
        "id": row.pk,
        "from_number": row.phone_number.e164,
        "to_number": row.to_number,
        "agent_id": row.agent_id,
        "dynamic_variables": row.dynamic_variables,
        "due_at": format_time(row.due_at),
        "status": row.status,
        "call_id": row.call_id,
        "reason": row.reason or None,
        "detail": row.detail or None,
    }


def _saved_view(view: SavedView) -> dict[str, Any]:
    return {"name": view.name, "query": view.query, "is_default": view.is_default}


TABLES = (
    exported("calls", selectors.calls_of, _call),
    ExportTable("transcripts", partial(_of_calls, TranscriptEntry, SPOKEN)),
    ExportTable("recording_transcriptions", _transcriptions),
    ExportTable("events", partial(_of_calls, CallEvent, EVENT)),
    ExportTable("turns", partial(_of_calls, CallTurn, TURN)),
    ExportTable("transfers", _transfers),
    exported("scheduled_calls", scheduled_of, _scheduled),
    exported("saved_views", owned(SavedView), _saved_view),
    ExportTable("caps", _caps),
    ExportTable("policy", _policy),
    exported("do_not_call", policies.numbers_of, DO_NOT_CALL.of),
)
