"""Finds calls that hang and ends them: a report that never came, a process that died, a carrier that did not respond.

Runs in the clock process every two seconds. Each rule only looks at the rows, so it does not matter who left them in this state. Every
rule can safely run twice.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from calls.after_call import analysis, recordings, transcription
from calls.clock.repetition import repeat
from calls.control import (
    call_me_first,
    carrier_recording,
    commands,
    inbound,
    lifecycle,
    scheduled_calls,
    speech,
    streams,
    transfers,
)
from calls.live import tool_requests
from calls.models import Call, CallQuerySet, CallStatus, Direction, HangupCause, Transfer, Utterance
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

PERIOD_SECONDS = 2.0
ANSWER_AGAIN_AFTER = timedelta(seconds=4)
# A session without a heartbeat (every 5 s) for this long is dead.
SESSION_LOST_AFTER = timedelta(seconds=15)
# How often and how long the carrier is asked for another stream: longer than a process takes to start.
RESTART_AGAIN_AFTER = timedelta(seconds=3)
# By this time a live session has restarted its stream in its own process. After that it is dead, and another process takes over.
SESSION_RESTARTS_WITHIN = timedelta(seconds=1)
STREAM_LOST_FOR_GOOD_AFTER = timedelta(seconds=25)
NO_SESSION_AFTER = timedelta(seconds=20)
HANG_UP_AGAIN_AFTER = timedelta(seconds=5)
# If the carrier does not report the end of a call that we ended, we close it after this time.
REPORT_OVERDUE_AFTER = timedelta(seconds=20)
NEVER_DIALED_AFTER = timedelta(seconds=60)
# Longer than any ring time that we request.
RINGS_TOO_LONG_AFTER = timedelta(seconds=100)
# Longer than the whole retry schedule: a call rings while we retry its webhook.
WEBHOOK_RINGS_TOO_LONG_AFTER = timedelta(seconds=240)
COMMAND_LOST_AFTER = timedelta(seconds=5)
# The recipient may ring for 30 s and be briefed for nearly as long.
TRANSFER_LOST_AFTER = timedelta(seconds=90)
# Carriers and sessions deliver the last words within this time.
TRANSCRIPT_COMPLETE_AFTER = timedelta(seconds=5)
TRANSCRIPT_OLD_AFTER = timedelta(hours=1)
SANDBOX_UNUSED_AFTER = timedelta(seconds=45)

UNANSWERED = [CallStatus.INITIATED, CallStatus.RINGING]


async def run() -> None:
    """Sweep until canceled."""
    await repeat(sweep_once, PERIOD_SECONDS, "A sweep failed")


def sweep_once(now: datetime | None = None) -> None:
    """Apply every rule once, if there is a call for one. Collects failures and raises them after all rules have run."""
    now = now or timezone.now()
    failures = []
    for rule in (tool_requests.give_up_lost, *(RULES if _has_work(now) else ())):
        try:
            rule(now)
        except Exception as error:  # noqa: BLE001  one call that a rule fails for must not keep back the other rules
            failures.append(error)
    if failures:
        raise ExceptionGroup("Rules of the sweeper failed", failures)


def _has_work(now: datetime) -> bool:
    """Whether a call is running, or waits for a transfer's outcome, its transcript or its recording. Usually none does."""
    return (
        Call.objects.running().exists()
        or _undecided_transfers().exists()
        or _unannounced(now).exists()
        or recordings.has_unfinished()
    )


def answer_again(now: datetime) -> None:
    """The command to answer was lost with its process, or the carrier did not accept it."""
    waiting = Call.objects.filter(
        direction=Direction.INBOUND,
        status=CallStatus.RINGING,
        sandbox=False,
        hangup_reported_at=None,
        end_requested_at=None,
        session_seen_at=None,
        started_at__gt=now - RINGS_TOO_LONG_AFTER,
        started_at__lt=now - ANSWER_AGAIN_AFTER,
    ).filter(Q(last_command_at=None) | Q(last_command_at__lt=now - ANSWER_AGAIN_AFTER))
    # A webhook-mode call waits until the developer's server answers it.
    waiting = waiting.exclude(mode=CallMode.WEBHOOK, answer_requested_at=None)
    commands.side_by_side(inbound.answer_again, waiting)


def finish_hung_up(now: datetime) -> None:
    """The carrier reported the end, and no answer was reported within the grace period."""
    hung_up = Call.objects.running().filter(hangup_reported_at__lt=now - lifecycle.LATE_ANSWER_GRACE)
    for call_id in hung_up.values_list("pk", flat=True):
        lifecycle.finish_hung_up(call_id)


def reconnect_streams(now: datetime) -> None:
    """A call whose media stream broke and whose session is gone: the carrier connects to another process.

    If none takes the call in time, it ends, billed up to the last sign of life.
    """
    lost_for_good = Q(stream_lost_at__lt=now - STREAM_LOST_FOR_GOOD_AFTER)
    broken = _talking().exclude(stream_lost_at=None)
    for call in broken.filter(lost_for_good):
        assert call.stream_lost_at is not None
        lost_at = min(call.session_seen_at or call.stream_lost_at, call.stream_lost_at)
        lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED, at=lost_at)
    by_its_session = Q(stream_lost_reason="", stream_lost_at__gt=now - SESSION_RESTARTS_WITHIN)
    restart = partial(streams.restart, since=now - RESTART_AGAIN_AFTER)
    commands.side_by_side(restart, broken.exclude(lost_for_good | by_its_session).values_list("pk", flat=True))


def _talking() -> CallQuerySet:
    return Call.objects.filter(
        status=CallStatus.ANSWERED, mode=CallMode.STREAMING, end_requested_at=None, transferred_at=None
    )


def end_abandoned(now: datetime) -> None:
    """An answered call whose session died with its process, or never started: billed up to the last sign of life."""
    answered = _talking().filter(stream_lost_at=None)
    gone = answered.filter(session_seen_at__lt=now - SESSION_LOST_AFTER)
    for call in gone.filter(sandbox=True):
        assert call.session_seen_at is not None
        lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED, at=call.session_seen_at)
    streams.note_lost(gone.filter(sandbox=False), streams.SESSION_LOST, at=now)
    for call in answered.filter(session_seen_at=None, answered_at__lt=now - NO_SESSION_AFTER):
        lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED, at=call.answered_at)


def hang_up_again(now: datetime) -> None:
    """We ended a call, and the carrier has not reported its end."""
    ending = Call.objects.running().filter(
        end_requested_at__lt=now - HANG_UP_AGAIN_AFTER, hangup_reported_at=None, sandbox=False
    )
    commands.side_by_side(partial(_close, now=now), ending.filter(end_requested_at__lt=now - REPORT_OVERDUE_AFTER))
    commands.side_by_side(
        commands.hang_up, ending.filter(Q(last_command_at=None) | Q(last_command_at__lt=now - HANG_UP_AGAIN_AFTER))
    )


def _close(call: Call, *, now: datetime) -> None:
    """Close a call without a report, if the carrier confirms that it is over or has not responded for a long time."""
    assert call.end_requested_at is not None
    if call.end_requested_at < now - 3 * REPORT_OVERDUE_AFTER or _carrier_has_ended(call):
        _finish_as_requested(call.pk)


def _carrier_has_ended(call: Call) -> bool:
    try:
        return not get_carrier(call, CallControl).is_alive(carrier_call_id=call.carrier_call_id or "")
    except CarrierError as error:
        return error.reason == "call_ended"


def _finish_as_requested(call_id: int) -> None:
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        if call.end_requested_at is not None:
            lifecycle.finish(call, ended_at=call.end_requested_at, cause=call.end_requested_cause)


def end_never_dialed(now: datetime) -> None:
    """A process died between storing and dialing an outbound call, or the carrier's response was lost."""
    for call in Call.objects.filter(
        status=CallStatus.INITIATED, sandbox=False, carrier_call_id=None, started_at__lt=now - NEVER_DIALED_AFTER
    ).exclude(pk__in=scheduled_calls.begun(now)):  # scheduled calls are dialed again
        lifecycle.end_call(call.pk, HangupCause.CARRIER_FAILED, at=now)


def end_ringing_forever(now: datetime) -> None:
    """Neither an answer nor an end was ever reported."""
    ringing = Call.objects.filter(status__in=UNANSWERED, sandbox=False, hangup_reported_at=None, end_requested_at=None)
    too_long = ringing.filter(started_at__lt=now - RINGS_TOO_LONG_AFTER)
    for call in too_long.exclude(mode=CallMode.WEBHOOK, started_at__gt=now - WEBHOOK_RINGS_TOO_LONG_AFTER):
        lifecycle.end_call(call.pk, HangupCause.NO_ANSWER, at=now)


def end_unused_sandbox(now: datetime) -> None:
    """The browser never connected."""
    for call in Call.objects.filter(status__in=UNANSWERED, sandbox=True, started_at__lt=now - SANDBOX_UNUSED_AFTER):
        lifecycle.end_call(call.pk, HangupCause.NO_ANSWER, at=now)


def speak_again(now: datetime) -> None:
    """Commands to speak, listen or transfer were lost with their process, or the carrier did not accept them."""
    answered = Call.objects.filter(status=CallStatus.ANSWERED, end_requested_at=None, sandbox=False)
    lost = now - COMMAND_LOST_AFTER
    unsaid = Utterance.objects.filter(call__in=answered, sent_at=None, ended_at=None, created_at__lt=lost)
    overdue = unsaid.filter(call__answered_at__lt=lost)
    commands.side_by_side(speech.send_waiting, overdue.values_list("call_id", flat=True).distinct())
    deaf = answered.filter(mode=CallMode.WEBHOOK, listening_since=None, transferred_at=None, answered_at__lt=lost)
    commands.side_by_side(speech.listen, deaf)
    unsent = _waiting_transfers().filter(requested_at__lt=lost, call__answered_at__lt=lost)
    commands.side_by_side(transfers.send_waiting, unsent.values_list("call_id", flat=True).distinct())


def resume_briefings(now: datetime) -> None:
    """Someone answered a transfer with a briefing, and the process that was to brief or connect them died."""
    waiting = _undecided_transfers().exclude(briefing="").exclude(carrier_call_id="")
    commands.side_by_side(partial(transfers.resume_briefing, lost_before=now - COMMAND_LOST_AFTER), waiting)


def fail_lost_transfers(now: datetime) -> None:
    """Nothing was reported about the other leg, or only its end: the caller must not wait forever."""
    for transfer in _undecided_transfers():
        assert transfer.sent_at is not None
        is_lost = transfer.sent_at < now - TRANSFER_LOST_AFTER
        if not is_lost and not transfers.has_hung_up(transfer, before=now - lifecycle.LATE_ANSWER_GRACE):
            continue
        _fail(transfer, "no_answer", at=now)
    lost = now - TRANSFER_LOST_AFTER
    untaken = _waiting_transfers().filter(requested_at__lt=lost, call__answered_at__lt=lost)
    for transfer in untaken:  # until now, `speak_again` repeated the command
        _fail(transfer, "carrier_failed", at=now)


def _fail(transfer: Transfer, reason: str, *, at: datetime) -> None:
    with transaction.atomic():
        transfers.fail(Call.objects.get_for_update(transfer.call_id), transfer.pk, reason, at=at)


def _waiting_transfers() -> QuerySet[Transfer]:
    """Transfers of running calls that the carrier has not accepted yet."""
    answered = Call.objects.filter(status=CallStatus.ANSWERED, end_requested_at=None, sandbox=False)
    return Transfer.objects.filter(call__in=answered, sent_at=None, answered_at=None, failed_at=None)


def _undecided_transfers() -> QuerySet[Transfer]:
    return Transfer.objects.filter(answered_at=None, failed_at=None, sent_at__isnull=False)


def _unannounced(now: datetime) -> QuerySet[Call]:
    return Call.objects.filter(
        transcript_announced=False,
        ended_at__lt=now - TRANSCRIPT_COMPLETE_AFTER,
        ended_at__gt=now - TRANSCRIPT_OLD_AFTER,
    ).ended()


def announce_transcripts(now: datetime) -> None:
    """Ended calls with a complete transcript: report it, and analyze it if the agent has an analysis schema."""
    for call_id in _unannounced(now).values_list("pk", flat=True):
        with transaction.atomic():
            call = Call.objects.get_for_update(call_id)
            if call.transcript_announced:
                continue
            call.transcript_announced = True
            call.save(update_fields=["transcript_announced"])
            transcription.announce(call, at=now)
            analysis.begin(call)


RULES: list[Callable[[datetime], None]] = [
    answer_again,
    finish_hung_up,
    end_abandoned,
    reconnect_streams,
    hang_up_again,
    end_never_dialed,
    end_ringing_forever,
    end_unused_sandbox,
    call_me_first.end_unconfirmed,
    call_me_first.ask_again,
    speak_again,
    resume_briefings,
    fail_lost_transfers,
    announce_transcripts,
    recordings.sweep,
    carrier_recording.sweep,
]
