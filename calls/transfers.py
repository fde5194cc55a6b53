"""Handing a call over: the carrier calls somebody else and connects the caller to them.

Until the other leg is answered the call is what it was; from then on the model is out of it and the leg's own price holds. A leg that
is not answered leaves the caller with the agent, who is told why.
"""

import logging
import re
import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing.selectors import find_rate
from bubblyphone.core.errors import Conflict
from calls import commands, timeline
from calls.live_control import tell_session
from calls.models import Call, CallStatus, Direction, Transfer
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
RING_SECONDS = 30
# The carrier cuts the line by itself this long after we should have.
LIMIT_SLACK_SECONDS = 60
LEG_STATE = re.compile(r"(\d{1,18}):transfer:(\d{1,18})")


def request(call: Call, to: str, *, source: str, key: str = "") -> Transfer:
    """Ask for a call to be handed over, at once or as soon as it is answered. The row is locked. A `key` asks once.

    Raises Conflict where the call forbids it, InvalidRequest for a number that cannot be called.
    """
    key = key or f"transfer:{uuid.uuid4()}"
    if known := Transfer.objects.filter(key=key).first():
        return known
    if call.sandbox:
        raise Conflict("A sandbox call has no telephone line to hand over.", code="sandbox_call")
    if call.is_over or call.end_requested_at is not None:
        raise Conflict("This call has ended.", code="call_ended")
    if call.transferred_at is not None or call.transfers.filter(answered_at=None, failed_at=None).exists():
        raise Conflict("This call is being handed over already.", code="transfer_running")
    now = timezone.now()
    transfer = Transfer.objects.create(
        call=call, key=key, to_number=to, rate=find_rate("outbound", to, now), requested_at=now
    )
    timeline.add_event(call.pk, "transfer.requested", source, at=now, to=to)
    if call.status == CallStatus.ANSWERED:
        commands.after_commit(send_waiting, call.pk)
    return transfer


def send_waiting(call_id: int) -> None:
    """Give the carrier the transfer that waits. A repeat is the same command."""
    transfer = (
        Transfer.objects.select_related("call")
        .filter(call_id=call_id, sent_at=None, answered_at=None, failed_at=None)
        .first()
    )
    if transfer is None:
        return
    call = transfer.call
    tell_session(call_id, {"type": "session.transfer_begun"})
    limit = int(call.config["max_call_duration"]["value"]) + LIMIT_SLACK_SECONDS
    try:
        get_carrier().transfer(
            carrier_call_id=call.carrier_call_id or "",
            command_id=commands.command_id(call, f"transfer:{transfer.pk}"),
            from_number=call.to_number if call.direction == Direction.INBOUND else call.from_number,
            to_number=transfer.to_number,
            leg_state=f"{call.pk}:transfer:{transfer.pk}",
            timeout_seconds=RING_SECONDS,
            time_limit_seconds=limit,
        )
    except CarrierError as error:
        logger.warning("The carrier did not transfer a call: %s", error, extra={"call_id": call_id})
        with transaction.atomic():
            locked = Call.objects.select_for_update(of=("self",)).select_related("phone_number").get(pk=call_id)
            fail(locked, transfer.pk, "carrier_failed", at=timezone.now())
        return
    Transfer.objects.filter(pk=transfer.pk).update(sent_at=timezone.now())


def leg_of(event: CarrierEvent) -> tuple[int, int] | None:
    """The ids of the call and of the transfer, if an event is of a transfer's own leg."""
    found = LEG_STATE.fullmatch(event.client_state)
    return (int(found[1]), int(found[2])) if found else None


def on_leg_event(call: Call, transfer_id: int, event: CarrierEvent) -> None:
    """What is reported of the other leg. The call's row is locked."""
    transfer = Transfer.objects.filter(pk=transfer_id, call=call).first()
    if transfer is None:
        return
    if event.type == CarrierEventType.INITIATED:
        Transfer.objects.filter(pk=transfer_id).update(carrier_call_id=event.carrier_call_id)
    elif event.type == CarrierEventType.ANSWERED:
        _answered(call, transfer, event)
    elif event.type == CarrierEventType.ENDED and transfer.answered_at is None:
        fail(call, transfer_id, event.cause, at=event.occurred_at)
    elif event.type == CarrierEventType.ENDED and not call.is_over:
        # The carrier ends the caller's leg, too; told once more it has nothing against it.
        commands.hang_up_after_commit(call)


def _answered(call: Call, transfer: Transfer, event: CarrierEvent) -> None:
    if transfer.answered_at is not None or transfer.failed_at is not None or call.is_over:
        return
    transfer.answered_at = event.occurred_at
    transfer.save(update_fields=["answered_at"])
    call.transferred_at, call.transfer_rate = event.occurred_at, transfer.rate
    call.save(update_fields=["transferred_at", "transfer_rate"])
    timeline.add_event(call.pk, "transfer.answered", "telephony", at=event.occurred_at, to=transfer.to_number)
    commands.after_commit(tell_session, call.pk, {"type": "session.end", "cause": "transferred"})


def fail(call: Call, transfer_id: int, reason: str, *, at: datetime) -> None:
    """The other leg was not answered: the caller is the agent's again. The row is locked."""
    transfer = Transfer.objects.filter(pk=transfer_id, answered_at=None, failed_at=None).first()
    if transfer is None:
        return
    # Nobody was reached, whatever the leg's end is called.
    reason = "no_answer" if reason in ("", "normal_clearing") else reason
    transfer.failed_at, transfer.reason = at, reason
    transfer.save(update_fields=["failed_at", "reason"])
    timeline.add_event(call.pk, "transfer.failed", "telephony", at=at, to=transfer.to_number, reason=reason)
    if call.is_over:
        return
    if call.mode == CallMode.WEBHOOK:
        timeline.notify(call, "call.transfer.failed", at=at, to=transfer.to_number, reason=reason)
    commands.after_commit(tell_session, call.pk, {"type": "session.transfer_failed", "reason": reason})
