"""What happens in a call: timeline entries, and the webhooks that report them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from bubblyphone.core.api.views import format_time
from bubblyphone.core.database.prepared_inserts import PreparedInsert
from bubblyphone.core.database.prepared_queries import IsOneOf, PreparedQuery
from bubblyphone.core.monitoring import tracing
from calls.models import Call, CallEvent, CallTurn, TranscriptEntry
from calls.session.conversation_history import cut_texts
from calls.session.turn_clock import TurnTimes
from webhooks import outbox

# Only what segments need: they are written while a call runs, and its row can be large because of `config`.
_READ_FOR_SEGMENTS = (
    "developer_id",
    "ended_at",
    "end_requested_at",
    "transferred_at",
    "metadata",
    "phone_number__webhook_url",
    "phone_number__signing_secret_id",
)
_CALLS_OF_SEGMENTS = PreparedQuery[Any](  # calls with `is_live`
    lambda call_ids: (
        Call.objects.select_related("phone_number")
        .only(*_READ_FOR_SEGMENTS)
        .annotate(is_live=F("config__realtime_transcript__value"))
        .filter(IsOneOf(F("pk"), call_ids))
    )
)
_ENTRIES = PreparedInsert(TranscriptEntry)
# The event that also changes its call's row.
NOTED_ON_CALL = "voicemail.message_left"


def add_event(call_id: int, event_type: str, source: str, *, at: datetime | None = None, **metadata: Any) -> None:
    """Write a timeline entry.

    For a connected stream it includes the model, and the start webhook is sent; for a key press a webhook is sent, too. A left voicemail
    message is noted on the call.
    """
    at = at or timezone.now()
    if event_type == "stream.connected":
        call = Call.objects.select_related("phone_number").get(pk=call_id)
        metadata["model"] = call.model_slug
        notify(call, "call.started", at=at, model=call.model_slug)
    if event_type == "dtmf.received":
        call = Call.objects.select_related("phone_number").get(pk=call_id)
        notify(call, "call.dtmf", at=at, digit=metadata["digit"])
    if event_type == NOTED_ON_CALL:
        Call.objects.filter(pk=call_id).update(voicemail_message_left=True)
    CallEvent.objects.create(
        call_id=call_id, event_type=event_type, source=source, event_timestamp=at, metadata=metadata
    )


def add_beginning(call: Call, *, at: datetime) -> None:
    """The call was stored; if its model has been retired, note the one that replaces it."""
    tracing.about_call(call.pk)
    add_event(call.pk, "call.initiated", "system", at=at)
    configured = call.settings.model_slug
    if call.model_slug not in ("", configured):
        add_event(call.pk, "model.replaced", "system", at=at, **{"from": configured, "to": call.model_slug})


@dataclass(frozen=True, slots=True)
class Segment:
    """An utterance for the transcript."""

    call_id: int
    role: str
    text: str
    at: datetime
    item_id: str = ""
    interrupted_at_ms: int | None = None
    commentary: bool = False


def add_transcript(call_id: int, role: str, text: str, *, at: datetime, item_id: str = "") -> None:
    """Write an utterance; one that becomes known after the end was said before it."""
    add_segments([Segment(call_id, role, text, at, item_id)])


def add_segments(segments: Sequence[Segment]) -> None:
    """The same for utterances of any calls, in order, with as many queries as for one. Raises KeyError, if a call does not exist."""
    call_of = {call.pk: call for call in _CALLS_OF_SEGMENTS.fetch([*{segment.call_id for segment in segments}])}
    entries = [_entry(segment, call_of[segment.call_id]) for segment in segments]
    _ENTRIES.write(entries)
    reports = [
        _webhook_report(
            call_of[entry.call_id], "call.transcript.segment", at=entry.spoken_at, role=entry.role, text=entry.text
        )
        for entry in entries
        if call_of[entry.call_id].is_live
    ]
    if reports:
        outbox.publish_all(reports)


def _entry(segment: Segment, call: Call) -> TranscriptEntry:
    return TranscriptEntry(
        call_id=call.pk,
        role=segment.role,
        text=segment.text,
        spoken_at=min(filter(None, (segment.at, call.ended_at, call.end_requested_at, call.transferred_at))),
        item_id=segment.item_id[:100],
        interrupted=segment.interrupted_at_ms is not None,
        interrupted_at_ms=segment.interrupted_at_ms,
        commentary=segment.commentary,
    )


def mark_interrupted(call_id: int, item_id: str, heard_ms: int | None = None, share: float = 1.0) -> None:
    """The caller spoke over an answer, or the call ended: text already written is shortened to what was spoken, or removed.

    For a carrier's voice the position is unknown, so its text stays.
    """
    entries = list(TranscriptEntry.objects.filter(call_id=call_id, item_id=item_id[:100], role="model"))
    for entry, text in zip(entries, cut_texts([entry.text for entry in entries], share), strict=True):
        if not text:
            entry.delete()
            continue
        entry.text, entry.interrupted, entry.interrupted_at_ms = text, True, heard_ms
        entry.save(update_fields=["text", "interrupted", "interrupted_at_ms"])


def mark_complete(call_id: int, item_id: str) -> None:
    """An answer was heard to its end, correcting an earlier assumption."""
    said = TranscriptEntry.objects.filter(call_id=call_id, item_id=item_id[:100], interrupted=True)
    said.update(interrupted=False, interrupted_at_ms=None)


def add_turn(call_id: int, times: TurnTimes, *, at: datetime) -> None:
    """Write how long the caller waited for an answer."""
    CallTurn.objects.create(call_id=call_id, answered_at=at, total_ms=times.total_ms, **asdict(times))


def notify(call: Call, event_type: str, *, at: datetime, wants_reply: bool = False, **fields: Any) -> None:
    """Report an event to the number's webhook URL, if it has one, and to the account's endpoints.

    Call it in the transaction of the event. `wants_reply`: the response is an action (`calls.webhook_mode.call_replies`).
    """
    report = _webhook_report(call, event_type, at=at, **fields)
    outbox.publish(
        developer_id=report.developer_id,
        subject=report.subject,
        event_type=event_type,
        payload=report.payload,
        to=report.to,
        wants_reply=wants_reply,
    )


def _webhook_report(call: Call, event_type: str, *, at: datetime, **fields: Any) -> outbox.Report:
    number = call.phone_number
    payload = {
        "event": event_type,
        "call_id": str(call.pk),
        **fields,
        **({"metadata": call.metadata} if call.metadata else {}),
        "timestamp": format_time(at),
    }
    addresses = [outbox.Address(number.webhook_url, number.signing_secret_id)] if number and number.webhook_url else []
    return outbox.Report(call.developer_id, f"call:{call.pk}", event_type, payload, addresses)
