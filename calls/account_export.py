"""Calls in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from accounts.extension_points import ExportFile, ExportTable
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages
from calls import selectors
from calls.after_call.recording_files import storage
from calls.api.caps import caps_data
from calls.api.policy_responses import DO_NOT_CALL, POLICY
from calls.api.responses import CALL, EVENT, SPOKEN, TURN
from calls.control.scheduled_calls import scheduled_of
from calls.models import Call, CallEvent, CallTurn, Recording, SavedView, TranscriptEntry, Transcription, Transfer
from calls.policy import services as policies

BATCH = 100


def _calls(developer: Developer) -> Iterator[dict[str, Any]]:
    for call in in_pages(selectors.calls_of(developer)):
        yield {
            **CALL.of(call),
            "system_prompt": call.settings.system_prompt,
            "dynamic_variables": call.dynamic_variables,
        }


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


def _scheduled(developer: Developer) -> Iterator[dict[str, Any]]:
    for row in in_pages(scheduled_of(developer)):
        yield {
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


def _saved_views(developer: Developer) -> Iterator[dict[str, Any]]:
    for view in in_pages(SavedView.objects.filter(developer=developer)):
        yield {"name": view.name, "query": view.query, "is_default": view.is_default}


def _do_not_call(developer: Developer) -> Iterator[dict[str, Any]]:
    for number in in_pages(policies.numbers_of(developer)):
        yield DO_NOT_CALL.of(number)


TABLES = (
    ExportTable("calls", _calls),
    ExportTable("transcripts", partial(_of_calls, TranscriptEntry, SPOKEN)),
    ExportTable("recording_transcriptions", _transcriptions),
    ExportTable("events", partial(_of_calls, CallEvent, EVENT)),
    ExportTable("turns", partial(_of_calls, CallTurn, TURN)),
    ExportTable("transfers", _transfers),
    ExportTable("scheduled_calls", _scheduled),
    ExportTable("saved_views", _saved_views),
    ExportTable("caps", _caps),
    ExportTable("policy", _policy),
    ExportTable("do_not_call", _do_not_call),
)
