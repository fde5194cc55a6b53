"""Transferring a call: the carrier calls someone else and connects the caller to them.

Until the other leg is answered, nothing changes for the call; from then on the model has left, the leg's own price applies, and the
carrier continues the recording, if there is one. If the leg is not answered, the caller stays with the agent, who gets the reason. With a
briefing, the recipient gets a separate call and hears the briefing first; the caller stays with the agent until the two are connected,
and only then does the leg count as answered.
"""

import logging
import re
import uuid
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bubblyphone.core.errors import Conflict, InvalidRequest
from calls import timeline
from calls.charging.admission import admit_transfer
from calls.control import carrier_recording, commands, speech
from calls.control.session_messages import End, TransferBegun, TransferFailed, tell_session
from calls.models import Call, CallStatus, CarrierEventRecord, Direction, HangupCause, Transfer
from phone_numbers.carriers.base import CarrierError, DialRequest
from phone_numbers.carriers.capabilities import CallControl, Speech
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
RING_SECONDS = 30
# The carrier automatically ends the call this long after we should have.
LIMIT_SLACK_SECONDS = 60
HUNG_UP = "call_hangup"  # how SPEAK_ENDED reports speech that was cut off by the end of its leg
LEG_STATE = re.compile(r"(\d{1,18}):transfer:(\d{1,18})")


def request(call: Call, to: str, *, source: str, key: str = "", briefing: str = "") -> Transfer:
    """Request a transfer, now or as soon as the call is answered.

    The row is locked. A `key` requests once. Raises Conflict if the call's state forbids it, InvalidRequest for the call's own number,
    Forbidden if policy refuses the destination, InsufficientFunds if its first minute cannot be paid for.
    """
    key = key or f"transfer:{uuid.uuid4()}"
    if known := Transfer.objects.filter(key=key).first():
        return known
    if call.sandbox:
        raise Conflict("Sandbox calls cannot be transferred.", code="sandbox_call")
    if call.is_over or call.end_requested_at is not None:
        raise Conflict("This call has ended.", code="call_ended")
    if call.transferred_at is not None or call.transfers.filter(answered_at=None, failed_at=None).exists():
        raise Conflict("This call is already being transferred.", code="transfer_running")
    if to == own_number(call):
        raise InvalidRequest({"to": ["This call is already connected to that number. Choose a different one."]})
    rate = admit_transfer(call, to)
    now = timezone.now()
    transfer = Transfer.objects.create(call=call, key=key, to_number=to, rate=rate, requested_at=now, briefing=briefing)
    about = {"briefing": briefing} if briefing else {}
    timeline.add_event(call.pk, "transfer.requested", source, at=now, to=to, **about)
    if call.status == CallStatus.ANSWERED:
        commands.after_commit(send_waiting, call.pk)
    return transfer


def own_number(call: Call) -> str:
    """Our end of the call."""
    return call.to_number if call.direction == Direction.INBOUND else call.from_number


def send_waiting(call_id: int) -> None:
    """Send the carrier the waiting transfer. A repeat is the same command."""
    transfer = (
        Transfer.objects.select_related("call")
        .filter(call_id=call_id, sent_at=None, answered_at=None, failed_at=None)
        .first()
    )
    if transfer is None:
        return
    tell_session(call_id, TransferBegun(is_warm=bool(transfer.briefing)))
    if _is_done(transfer, _ring):
        Transfer.objects.filter(pk=transfer.pk).update(sent_at=timezone.now())


def _is_done(transfer: Transfer, command: Callable[[Transfer], None]) -> bool:
    """Send the carrier a command; if it is rejected, the transfer fails.

    If the outcome is unknown, the recipient may be ringing, or hear the briefing: `calls.clock.sweeper` repeats the command, which the
    carrier then runs once, and fails a transfer that is not reported for a long time.
    """
    try:
        command(transfer)
    except CarrierError as error:
        logger.warning("The carrier could not transfer a call: %s", error, extra={"call_id": transfer.call_id})
        if error.reason == "outcome_unknown":
            return False
        with transaction.atomic():
            fail(Call.objects.get_for_update(transfer.call_id), transfer.pk, "carrier_failed", at=timezone.now())
        return False
    return True


def _ring(transfer: Transfer) -> None:
    """Have the recipient called: for the caller directly, or for a briefing in a separate call."""
    call = transfer.call
    carrier = get_carrier(call, CallControl)
    request = DialRequest(
        from_number=own_number(call),
        to_number=transfer.to_number,
        client_state=f"{call.pk}:transfer:{transfer.pk}",
        command_id=commands.command_id(call, f"transfer:{transfer.pk}"),
        timeout_seconds=RING_SECONDS,
        time_limit_seconds=call.settings.max_call_duration + LIMIT_SLACK_SECONDS,
    )
    if not transfer.briefing:
        carrier.transfer(request, carrier_call_id=call.carrier_call_id or "")
        return
    leg = carrier.dial(request)
    Transfer.objects.filter(pk=transfer.pk).update(carrier_call_id=leg)


def leg_of(event: CarrierEvent) -> tuple[int, int] | None:
    """The ids of the call and the transfer, if an event belongs to a transfer's leg."""
    found = LEG_STATE.fullmatch(event.client_state)
    return (int(found[1]), int(found[2])) if found else None


def on_leg_event(call: Call, transfer_id: int, event: CarrierEvent) -> None:
    """Handle an event of the other leg. The call's row is locked."""
    transfer = Transfer.objects.filter(pk=transfer_id, call=call).first()
    if transfer is None:
        return
    if not transfer.carrier_call_id:
        transfer.carrier_call_id = event.carrier_call_id
        transfer.save(update_fields=["carrier_call_id"])
    if event.type == CarrierEventType.ANSWERED and transfer.briefing:
        timeline.add_event(call.pk, "transfer.briefing", "telephony", at=event.occurred_at, to=transfer.to_number)
        commands.after_commit(_brief, transfer_id)
    elif event.type == CarrierEventType.ANSWERED:
        answered(call, transfer, at=event.occurred_at)
        if has_hung_up(transfer, before=timezone.now()):
            commands.after_commit(commands.hang_up, call)
    elif event.type == CarrierEventType.SPEAK_ENDED and transfer.answered_at is None:
        if event.detail != HUNG_UP:
            commands.after_commit(_connect, transfer_id)
    elif event.type == CarrierEventType.ENDED and transfer.answered_at is None:
        if event.cause != HangupCause.NORMAL_CLEARING:
            fail(call, transfer_id, event.cause, at=event.occurred_at)
        elif transfer.briefing:
            fail(call, transfer_id, HangupCause.REJECTED, at=event.occurred_at)  # told, and did not want to
        # Else there was someone who hung up: the report of the answer is late. If it does not come, `calls.clock.sweeper` fails it.
    elif event.type == CarrierEventType.ENDED and not call.is_over:
        # The carrier also ends the caller's leg; a repeated hangup is harmless.
        commands.after_commit(commands.hang_up, call)


def is_undecided(call: Call) -> bool:
    """Whether the carrier has yet to report the outcome of the leg that it calls for the caller, which also decides the bill."""
    return call.transfers.filter(sent_at__isnull=False, answered_at=None, failed_at=None, briefing="").exists()


def has_hung_up(transfer: Transfer, *, before: datetime) -> bool:
    """Whether the end of the other leg was reported by then."""
    ends = _leg_reports(transfer).filter(event_type=CarrierEventType.ENDED, received_at__lt=before)
    return transfer.carrier_call_id != "" and ends.exists()


def _leg_reports(transfer: Transfer) -> QuerySet[CarrierEventRecord]:
    return CarrierEventRecord.objects.filter(carrier=transfer.call.carrier, carrier_call_id=transfer.carrier_call_id)


def _brief(transfer_id: int) -> None:
    """The recipient answered: play the briefing."""
    transfer = Transfer.objects.select_related("call").get(pk=transfer_id)
    _is_done(
        transfer,
        lambda transfer: get_carrier(transfer.call, Speech).speak(
            carrier_call_id=transfer.carrier_call_id,
            command_id=commands.command_id(transfer.call, f"briefing:{transfer.pk}"),
            text=transfer.briefing,
            voice="",
            language=transfer.call.settings.language,
        ),
    )


def _connect(transfer_id: int) -> None:
    """The recipient was briefed: connect the caller, if both are still there."""
    transfer = Transfer.objects.select_related("call").get(pk=transfer_id)
    if transfer.answered_at is not None or transfer.failed_at is not None or transfer.call.is_over:
        return
    is_connected = _is_done(
        transfer,
        lambda transfer: get_carrier(transfer.call, CallControl).bridge(
            carrier_call_id=transfer.call.carrier_call_id or "",
            other_carrier_call_id=transfer.carrier_call_id,
            command_id=commands.command_id(transfer.call, f"bridge:{transfer.pk}"),
        ),
    )
    if is_connected:
        with transaction.atomic():
            call = Call.objects.get_for_update(transfer.call_id)
            answered(call, Transfer.objects.get(pk=transfer_id), at=timezone.now())


def resume_briefing(transfer: Transfer, *, lost_before: datetime) -> None:
    """Repeat a command that was lost with its process: the briefing of a recipient who answered, or the connection after it.

    The carrier ignores repeats of completed commands. If it rejects the command, the transfer fails with that reason.
    """
    legs = _leg_reports(transfer)
    told = legs.filter(event_type=CarrierEventType.SPEAK_ENDED).exclude(detail=HUNG_UP)
    if told.exists():
        if told.filter(received_at__lt=lost_before).exists():
            _connect(transfer.pk)
    elif legs.filter(event_type=CarrierEventType.ANSWERED, received_at__lt=lost_before).exists() and not (
        legs.filter(event_type__in=[CarrierEventType.SPEAK_STARTED, CarrierEventType.SPEAK_ENDED]).exists()
    ):
        _brief(transfer.pk)


def drop_waiting(call: Call) -> None:
    """The call is over: hang up on a recipient who is being briefed. (A leg that rings for the caller ends with theirs.)"""
    for transfer in call.transfers.filter(answered_at=None, failed_at=None).exclude(briefing=""):
        _hang_up_leg(call, transfer)


def _hang_up_leg(call: Call, transfer: Transfer) -> None:
    if transfer.briefing and transfer.carrier_call_id:
        identifier = commands.command_id(call, f"transfer-hangup:{transfer.pk}")
        commands.after_commit(_hang_up, call, transfer.carrier_call_id, identifier)


def _hang_up(call: Call, carrier_call_id: str, command_id: str) -> None:
    get_carrier(call, CallControl).hang_up(carrier_call_id=carrier_call_id, command_id=command_id)


def answered(call: Call, transfer: Transfer, *, at: datetime) -> None:
    if transfer.answered_at is not None or transfer.failed_at is not None or call.is_over:
        return
    transfer.answered_at = at
    transfer.save(update_fields=["answered_at"])
    call.transferred_at, call.transfer_rate = at, transfer.rate
    call.save(update_fields=["transferred_at", "transfer_rate"])
    timeline.add_event(call.pk, "transfer.answered", "telephony", at=at, to=transfer.to_number)
    carrier_recording.go_on_after_commit(call)
    if call.mode == CallMode.WEBHOOK:
        commands.after_commit(speech.stop_listening, call)
    else:
        commands.after_commit(tell_session, call.pk, End("transferred"))


def fail(call: Call, transfer_id: int, reason: str, *, at: datetime) -> None:
    """The other leg was not answered: the caller returns to the agent. The row is locked."""
    transfer = Transfer.objects.filter(pk=transfer_id, answered_at=None, failed_at=None).first()
    if transfer is None:
        return
    # Nobody was reached, whatever the leg's hangup cause is.
    reason = "no_answer" if reason in ("", "normal_clearing") else reason
    transfer.failed_at, transfer.reason = at, reason
    transfer.save(update_fields=["failed_at", "reason"])
    _hang_up_leg(call, transfer)
    timeline.add_event(call.pk, "transfer.failed", "telephony", at=at, to=transfer.to_number, reason=reason)
    if call.is_over or call.hangup_reported_at is not None:
        return
    if call.connect_to:
        speech.say(call, "Nobody answered. Press any key to try again.", key=f"me-first-nobody:{transfer_id}")
    if call.mode == CallMode.WEBHOOK:
        timeline.notify(call, "call.transfer.failed", at=at, to=transfer.to_number, reason=reason)
    commands.after_commit(tell_session, call.pk, TransferFailed(reason))
