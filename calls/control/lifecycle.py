"""The only place where a call's state changes: initiated → ringing → answered → completed, or failed.

Each function is one short transaction on the locked row. States only move forward; late, repeated or out-of-order reports have no effect.
There are no network calls in here: `calls.control.commands` queues commands to the carrier until after the commit.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from bubblyphone.core.database.commit_hooks import note_after_commit
from bubblyphone.core.database.prepared_queries import PreparedQuery
from bubblyphone.core.money import format_money
from bubblyphone.core.monitoring import tracing
from calls import metrics, timeline
from calls.after_call import recordings
from calls.charging import settlement
from calls.control import answered_by, call_me_first_keys, carrier_recording, commands, speech, transfers
from calls.control.session_messages import End, KeyPressed, tell_session
from calls.models import Call, CallEvent, CallStatus, CarrierEventRecord, Direction, HangupCause
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.models import CallMode
from webhooks.models import WebhookDelivery

# In one statement. Of two reports with the same id at the same moment, the second waits for the first one's transaction.
STORE_REPORT = """
INSERT INTO calls_carriereventrecord
    (carrier, event_id, event_type, carrier_call_id, direction, cause, detail, occurred_at, received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (carrier, event_id) DO NOTHING
"""
_AT_CARRIER = PreparedQuery(
    lambda carrier_call_id, carrier: Call.objects.for_update().filter(
        carrier_call_id=carrier_call_id, carrier=carrier, sandbox=False
    )
)
_EARLY_REPORTS = PreparedQuery(
    lambda carrier, carrier_call_id: (
        CarrierEventRecord.objects.filter(carrier=carrier, carrier_call_id=carrier_call_id)
        .exclude(event_type=CarrierEventType.INITIATED.value)
        .order_by("occurred_at", "id")
    )
)
# How long the report of an answer may lag behind the report of the hangup before the call counts as never answered.
LATE_ANSWER_GRACE = timedelta(seconds=5)
# Decisions by us or the owner to end a call. Before the answer, they cancel an outbound call.
DECISIONS = {
    HangupCause.NORMAL_CLEARING,
    HangupCause.INSUFFICIENT_BALANCE,
    HangupCause.MAX_DURATION,
    HangupCause.ACCOUNT_DEACTIVATED,
}
# Causes that imply that nobody answered.
NEVER_ANSWERED = {HangupCause.BUSY, HangupCause.NO_ANSWER, HangupCause.REJECTED, HangupCause.INVALID_NUMBER}


def store_carrier_event(event: CarrierEvent) -> bool:
    """Store a carrier's report; False if it is already stored."""
    values = [
        *(event.carrier, event.event_id, event.type.value, event.carrier_call_id, event.direction, event.cause),
        *(event.detail[:200], event.occurred_at, timezone.now()),
    ]
    with connection.cursor() as cursor:
        cursor.execute(STORE_REPORT, values)
        return bool(cursor.rowcount == 1)


def apply_carrier_event(event: CarrierEvent) -> None:
    """Apply a stored report to its call if the call is known; otherwise it waits for `replay_carrier_events`."""
    if leg := transfers.leg_of(event):
        if Call.objects.filter(pk=leg[0], carrier=event.carrier).exists():
            tracing.about_call(leg[0])
            with bound_contextvars(call_id=leg[0]):
                call = Call.objects.get_for_update(leg[0])
                transfers.on_leg_event(call, leg[1], event)
                finish_as_reported(call)
        return
    reported = _reported_call(event)
    if reported is not None:
        tracing.about_call(reported.pk)
        with bound_contextvars(call_id=reported.pk):
            HANDLERS[event.type](reported, event)


def replay_carrier_events(call: Call) -> bool:
    """Apply events that were reported before the call was known. Returns whether there were any; the call's row may then have changed."""
    early = _EARLY_REPORTS.fetch(call.carrier, call.carrier_call_id or "")
    for record in early:
        event = CarrierEvent(
            type=CarrierEventType(record.event_type),
            event_id=record.event_id,
            carrier_call_id=record.carrier_call_id,
            occurred_at=record.occurred_at,
            direction=record.direction,
            cause=record.cause,
            detail=record.detail,
            carrier=record.carrier,
        )
        HANDLERS[event.type](Call.objects.get_for_update(call.pk), event)
    return bool(early)


def _reported_call(event: CarrierEvent) -> Call | None:
    """The call of a report, locked: by the carrier's call id, or by ours, which an outbound call carries before we know the carrier's.

    A carrier only reports its own calls.
    """
    calls = Call.objects.filter(carrier=event.carrier, sandbox=False)
    named = int(event.client_state) if event.client_state.isdecimal() else 0
    if not event.carrier_call_id:
        return calls.for_update().filter(pk=named).first()
    if found := _AT_CARRIER.fetch(event.carrier_call_id, event.carrier):
        return found[0]
    if named:
        waiting = calls.filter(pk=named, carrier_call_id=None)
        if waiting.update(carrier_call_id=event.carrier_call_id):
            return Call.objects.get_for_update(named)
    return None


def on_initiated(call: Call, event: CarrierEvent) -> None:
    """Outbound: the carrier is dialing. (Inbound calls start in `calls.control.inbound`.)"""
    if call.status == CallStatus.INITIATED:
        call.status = CallStatus.RINGING
        call.save(update_fields=["status"])
    elif call.events.filter(event_type="call.ringing").exists():
        return
    timeline.add_event(call.pk, "call.ringing", "telephony", at=event.occurred_at)


def on_answered(call: Call, event: CarrierEvent) -> None:
    if call.answered_at is not None:
        return
    if call.is_over and call.hangup_reported_at is None:
        # We gave up the call before the carrier connected it.
        commands.after_commit(commands.hang_up, call)
        return
    was_over = call.is_over
    if was_over and call.hangup_reported_cause in NEVER_ANSWERED:
        return
    call.answered_at = event.occurred_at
    if not was_over:
        call.status = CallStatus.ANSWERED
    call.save(update_fields=["answered_at", "status"])
    timeline.add_event(call.pk, "call.answered", "telephony", at=event.occurred_at)
    if was_over:
        charge_late_answer(call)
        return
    timeline.notify(call, "call.answered", at=event.occurred_at)
    if call.hangup_reported_at is not None:
        finish_as_reported(call)
        return
    carrier_recording.begin_after_commit(call, at=event.occurred_at)  # before anything is said
    speech.begin_after_commit(call)
    commands.after_commit(transfers.send_waiting, call.pk)


def on_ended(call: Call, event: CarrierEvent) -> None:
    is_first, was_over = call.hangup_reported_at is None, call.is_over
    if is_first:
        call.hangup_reported_at, call.hangup_reported_cause = event.occurred_at, event.cause
    finish_as_reported(call)
    if is_first and (was_over or not call.is_over):  # otherwise the end has saved it
        call.save(update_fields=["hangup_reported_at", "hangup_reported_cause"])


def finish_as_reported(call: Call) -> None:
    """End a call that the carrier reports as over, unless its answer, or who was reached in a transfer, may still be reported.

    `calls.clock.sweeper` ends it after the grace period.
    """
    if call.hangup_reported_at is None or call.is_over:
        return
    is_known = call.answered_at is not None or call.hangup_reported_cause in NEVER_ANSWERED
    if is_known and not transfers.is_undecided(call):
        finish(call, ended_at=call.hangup_reported_at, cause=call.hangup_reported_cause)


def on_stream_failed(call: Call, event: CarrierEvent) -> None:
    """Its session restarts it if it is alive; otherwise `calls.clock.sweeper` does."""
    if call.transferred_at is not None:
        return  # we left it ourselves
    is_old = call.stream_restarted_at is not None and call.stream_restarted_at > event.occurred_at
    if call.stream_lost_reason == "deploy" and (is_old or call.stream_lost_at is not None):
        return  # our process closed it on its way out
    timeline.add_event(call.pk, "stream.failed", "telephony", at=event.occurred_at, reason=event.detail)
    if not call.is_over and not is_old:
        # The session's process may have died; restarting the stream reveals it.
        call.stream_lost_at, call.stream_lost_reason = event.occurred_at, ""
        call.save(update_fields=["stream_lost_at", "stream_lost_reason"])


def on_dtmf(call: Call, event: CarrierEvent) -> None:
    """A live session records the keys of its own media stream, and reported keys only from before the stream."""
    if call.is_over:
        return
    if call.mode == CallMode.WEBHOOK:
        timeline.add_event(call.pk, "dtmf.received", "telephony", at=event.occurred_at, digit=event.detail)
        if call.connect_to:
            call_me_first_keys.on_key(call, event)
        return
    seconds_ago = (timezone.now() - event.occurred_at).total_seconds()
    commands.after_commit(tell_session, call.pk, KeyPressed(event.event_id, event.detail, seconds_ago))


def _ending(handler: Callable[[Call, CarrierEvent], str]) -> Callable[[Call, CarrierEvent], None]:
    """Handle an event that may determine why the call ends."""

    def handle(call: Call, event: CarrierEvent) -> None:
        if cause := handler(call, event):
            request_end(call, cause, at=event.occurred_at)

    return handle


HANDLERS: dict[CarrierEventType, Callable[[Call, CarrierEvent], None]] = {
    CarrierEventType.INITIATED: on_initiated,
    CarrierEventType.ANSWERED: on_answered,
    CarrierEventType.ENDED: on_ended,
    CarrierEventType.STREAM_FAILED: on_stream_failed,
    CarrierEventType.DTMF: on_dtmf,
    CarrierEventType.MACHINE_DETECTED: _ending(answered_by.on_machine_detected),
    CarrierEventType.MACHINE_GREETING_ENDED: _ending(answered_by.on_machine_greeting_ended),
    CarrierEventType.SCREENING_DETECTED: _ending(answered_by.on_screening_detected),
    CarrierEventType.SPEAK_STARTED: speech.on_speak_started,
    CarrierEventType.SPEAK_ENDED: speech.on_speak_ended,
    CarrierEventType.CALLER_SPEAKS: speech.on_caller_speaks,
    CarrierEventType.TRANSCRIPTION: speech.on_transcription,
    CarrierEventType.RECORDING_SAVED: recordings.on_carrier_saved,
    CarrierEventType.RECORDING_FAILED: recordings.on_carrier_failed,
}


def request_end(call: Call, cause: str, *, at: datetime) -> None:
    """End a call for a reason of ours.

    The call is billed up to `at`, not for the time the carrier takes to hang up. The row is locked. A call that never reached the
    carrier, and a sandbox call, end here; others end when the carrier reports it.
    """
    if call.is_over or call.hangup_reported_at is not None:
        return
    if call.end_requested_at is None:
        call.end_requested_at, call.end_requested_cause = at, cause
        call.save(update_fields=["end_requested_at", "end_requested_cause"])
    if call.sandbox or call.carrier_call_id is None:
        finish(call, ended_at=at, cause=cause)
    else:
        commands.after_commit(commands.hang_up, call)
    commands.after_commit(tell_session, call.pk, End(cause))


def finish(call: Call, *, ended_at: datetime, cause: str) -> None:
    """End, bill and report a call: once. The row is locked."""
    if call.is_over:
        return
    now = timezone.now()
    if call.end_requested_at is not None and not _ended_before_request(call, ended_at, cause):
        ended_at, cause = min(ended_at, call.end_requested_at), _cause_of_request(call)
    elif call.transferred_at is not None and cause == HangupCause.NORMAL_CLEARING:
        cause = HangupCause.TRANSFERRED
    elif call.answered_at is None and webhook_kept_failing(call):
        cause = HangupCause.WEBHOOK_FAILED
    if call.answered_at is not None:
        ended_at = max(ended_at, call.answered_at)
    call.ended_at = ended_at
    call.hangup_cause = cause or HangupCause.NORMAL_CLEARING
    call.status = CallStatus.COMPLETED if call.answered_at else CallStatus.FAILED
    call.duration_seconds = settlement.billed_seconds(call, ended_at)
    call.media_token_hash = ""
    settlement.settle(call, now)
    call.save()
    if call.mode == CallMode.WEBHOOK:
        speech.cut_off(call, ended_at)
    event_type = "call.ended" if call.answered_at else "call.failed"
    timeline.add_event(call.pk, event_type, "system", at=ended_at, hangup_cause=call.hangup_cause)
    report_end(call)
    note_after_commit(metrics.note_end, call)
    note_after_commit(_trace_end, call)
    transfers.drop_waiting(call)
    commands.after_commit(tell_session, call.pk, End(call.hangup_cause))


def _trace_end(call: Call) -> None:
    assert call.ended_at is not None
    about = {
        "direction": call.direction,
        "mode": call.mode,
        "model": call.model_slug,
        "hangup_cause": call.hangup_cause,
    }
    tracing.call_ended(
        call.pk, call.started_at, call.ended_at, {f"bubblyphone.{name}": value for name, value in about.items()}
    )


def _ended_before_request(call: Call, ended_at: datetime, cause: str) -> bool:
    """Whether nobody had answered, if the carrier reports that only after our request."""
    assert call.end_requested_at is not None
    return call.answered_at is None and cause in NEVER_ANSWERED and ended_at < call.end_requested_at


def _cause_of_request(call: Call) -> str:
    """The cause of a call that we ended.

    If it was not answered, it did not end normally: it was canceled, or an inbound call was declined.
    """
    cause = call.end_requested_cause
    if call.answered_at is not None or cause not in DECISIONS:
        return cause
    if call.sandbox or call.direction == Direction.OUTBOUND:
        return HangupCause.CANCELED
    return HangupCause.REJECTED if cause == HangupCause.NORMAL_CLEARING else cause


def webhook_kept_failing(call: Call) -> bool:
    """Whether the caller hung up unanswered because the developer's server kept failing."""
    if call.mode != CallMode.WEBHOOK or call.direction != Direction.INBOUND:
        return False
    incoming = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.incoming", wants_reply=True)
    return incoming.filter(attempt_count__gte=1).exclude(status=WebhookDelivery.Status.DELIVERED).exists()


def charge_late_answer(call: Call) -> None:
    """The answer was reported after the grace period: the charge uses the final facts; webhooks already sent stay as they are."""
    assert call.ended_at is not None
    assert call.answered_at is not None
    call.ended_at = max(call.ended_at, call.answered_at)
    call.duration_seconds = settlement.billed_seconds(call, call.ended_at)
    call.status = CallStatus.COMPLETED
    settlement.settle(call, timezone.now())
    call.save()


def model_spoke(call_id: int, *, at: datetime) -> None:
    """The caller hears the model: from now on the model is charged, for the whole call.

    Call it in a transaction. If the call has already ended, the charge uses the final facts; reports already sent stay as they are.
    """
    if not Call.objects.filter(pk=call_id, model_spoke_at=None).exists():
        return
    call = Call.objects.get_for_update(call_id)
    if call.model_spoke_at is None:
        call.model_spoke_at = at
        if call.is_over and call.answered_at is not None:
            settlement.settle(call, timezone.now())
        call.save()


def report_end(call: Call) -> None:
    """The webhooks of the end: the itemized one of streaming calls, and the one of every call."""
    assert call.ended_at is not None
    duration: dict[str, Any] = {"duration_seconds": call.duration_seconds}
    if call.mode == "streaming" and call.answered_at is not None:
        timeline.notify(
            call,
            "call.ended",
            at=call.ended_at,
            **duration,
            telephony_cost=format_money(call.telephony_cost),
            model_cost=format_money(call.model_cost),
            total_cost=format_money(call.total_cost),
            hangup_cause=call.hangup_cause,
        )
    timeline.notify(
        call, "call.hangup", at=call.ended_at, **duration, cost=float(call.total_cost), hangup_cause=call.hangup_cause
    )


def end_call(call_id: int, cause: str, *, at: datetime | None = None) -> None:
    """End a call by its id, in its own transaction. Does nothing if it has ended."""
    with transaction.atomic():
        request_end(Call.objects.get_for_update(call_id), cause, at=at or timezone.now())


def finish_hung_up(call_id: int) -> None:
    """The grace period for a late answer, of the call or of a transfer, is over.

    A stream that ran proves that the call was answered.
    """
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        if call.is_over or call.hangup_reported_at is None:
            return
        if call.answered_at is None:
            connected = CallEvent.objects.filter(call=call, event_type="stream.connected").first()
            call.answered_at = connected.event_timestamp if connected else None
        cause = call.hangup_reported_cause
        if call.answered_at is None and cause == HangupCause.NORMAL_CLEARING:
            cause = HangupCause.NO_ANSWER
        finish(call, ended_at=call.hangup_reported_at, cause=cause)
