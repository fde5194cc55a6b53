"""What happens in a call: timeline entries, and the webhooks that report them."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils import timezone

from bubblyphone.core.api.views import format_time
from bubblyphone.core.monitoring import tracing
from calls.models import Call, CallEvent, CallTurn, TranscriptEntry
from calls.session.conversation_history import cut_texts
from calls.session.turn_clock import TurnTimes
from webhooks import outbox


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
    if event_type == "voicemail.message_left":
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


def add_transcript(
    call_id: int,
    role: str,
    text: str,
    *,
    at: datetime,
    item_id: str = "",
    interrupted_at_ms: int | None = None,
    commentary: bool = False,
) -> None:
    """Write an utterance; one that becomes known after the end was said before it."""
    call = Call.objects.select_related("phone_number").get(pk=call_id)
    at = min(filter(None, (at, call.ended_at, call.end_requested_at, call.transferred_at)))
    TranscriptEntry.objects.create(
        call_id=call_id,
        role=role,
        text=text,
        spoken_at=at,
        item_id=item_id[:100],
        interrupted=interrupted_at_ms is not None,
        interrupted_at_ms=interrupted_at_ms,
        commentary=commentary,
    )
    if call.settings.realtime_transcript:
        notify(call, "call.transcript.segment", at=at, role=role, text=text)


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
    number = call.phone_number
    addresses = [outbox.Address(number.webhook_url, number.signing_secret_id)] if number and number.webhook_url else []
    outbox.publish(
        developer_id=call.developer_id,
        subject=f"call:{call.pk}",
        event_type=event_type,
        payload={
            "event": event_type,
            "call_id": str(call.pk),
            **fields,
            **({"metadata": call.metadata} if call.metadata else {}),
            "timestamp": format_time(at),
        },
        to=addresses,
        wants_reply=wants_reply,
    )
