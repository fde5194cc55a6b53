"""Recordings by the carrier: of calls without a session, and of the part after a transfer."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls import timeline
from calls.after_call.recordings import PART_AWAITED, carrier_failed, unfinished
from calls.control import commands
from calls.models import Call, CallStatus, Recording
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import Recording as CarrierRecording
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

COMMAND_LOST_AFTER = timedelta(seconds=5)


def begin_after_commit(call: Call, *, at: datetime) -> None:
    """A call without a session was answered: the carrier records it if recording is on. The row is locked."""
    if call.recording_enabled and call.mode == CallMode.WEBHOOK:
        Recording.objects.get_or_create(
            call=call, defaults={"maker": Recording.Maker.CARRIER, "started_at": at, "next_attempt_at": None}
        )
        commands.after_commit(tell_carrier, call)


def go_on_after_commit(call: Call) -> None:
    """A call recorded by its session was transferred: the carrier records the rest. The row is locked."""
    if call.recording_enabled and call.mode == CallMode.STREAMING:
        now = timezone.now()
        Recording.objects.get_or_create(
            call=call, defaults={"maker": Recording.Maker.PLATFORM, "started_at": now, "next_attempt_at": None}
        )
        # By our clock: the carrier's report may be late, and the command is only sent now.
        unfinished().filter(call=call, transferred_at=None).update(transferred_at=now)
        commands.after_commit(tell_carrier, call)


def tell_carrier(call: Call) -> None:
    """Send the command to record; if it is lost, the sweeper sends it again."""
    recording = Recording.objects.get(call=call)
    try:
        get_carrier(call, CarrierRecording).start_recording(
            carrier_call_id=call.carrier_call_id or "",
            client_state=str(call.pk),
            command_id=commands.command_id(call, "record"),
        )
    except CarrierError as error:
        if not error.retryable and error.reason != "not_answered":
            carrier_failed(recording, f"The carrier could not start recording: {error}")
        return
    with transaction.atomic():
        if Recording.objects.filter(pk=recording.pk, carrier_told_at=None).update(carrier_told_at=timezone.now()):
            timeline.add_event(call.pk, "recording.started", "telephony")


def sweep(now: datetime) -> None:
    """A rule of `calls.clock.sweeper`: repeat a lost command to record."""
    lost = now - COMMAND_LOST_AFTER
    is_due = Q(maker=Recording.Maker.CARRIER, started_at__lt=lost) | PART_AWAITED & Q(transferred_at__lt=lost)
    untold = unfinished().filter(is_due, carrier_told_at=None)
    for recording in untold.filter(call__status=CallStatus.ANSWERED).select_related("call"):
        tell_carrier(recording.call)
