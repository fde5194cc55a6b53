"""Restarting a media stream that broke while the call continues."""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from calls import timeline
from calls.control import commands, media_nodes
from calls.models import Call, CallQuerySet, CallStatus
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
MAX_RESTARTS = 10
# Why a session lost its media connection, or the connection its session. DEPLOY: the process had to stop.
DEPLOY, CONNECTION_LOST, SESSION_LOST = "deploy", "connection_lost", "session_lost"


def restart(call_id: int, *, since: datetime, reason: str = "") -> bool:
    """Have the carrier connect again, unless that was already requested after `since`.

    The default `reason` is the one in the row. False if the call is over or about to end, or the carrier rejects the command.
    """
    now = timezone.now()
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        if not may_restart(call):
            return False
        if call.stream_restarted_at is not None and call.stream_restarted_at >= since:
            return True
        call.stream_restarts += 1
        call.stream_restarted_at = now
        call.save(update_fields=["stream_restarts", "stream_restarted_at"])
        why = reason or call.stream_lost_reason or SESSION_LOST
        base = media_nodes.stream_base_again(call, is_session_alive=why == CONNECTION_LOST)
        stream = commands.issue_media_token(call, base)
    try:
        get_carrier(call, CallControl).start_stream(
            carrier_call_id=call.carrier_call_id or "",
            command_id=commands.command_id(call, f"stream:{call.stream_restarts}"),
            stream=stream,
        )
    except CarrierError as error:
        # Usually the caller has hung up, and the carrier's report is on its way.
        logger.info("Restarting a media stream failed: %s", error, extra={"call_id": call_id})
        return False
    with transaction.atomic():
        timeline.add_event(call_id, "stream.restarted", "system", at=now, reason=why)
    return True


def may_restart(call: Call) -> bool:
    """Whether there is a conversation that could continue."""
    is_running = (
        call.status == CallStatus.ANSWERED and call.end_requested_at is None and call.hangup_reported_at is None
    )
    return (
        is_running
        and call.mode == CallMode.STREAMING
        and not call.sandbox
        and call.transferred_at is None
        and call.stream_restarts < MAX_RESTARTS
    )


def move(call_ids: Iterable[int], *, since: datetime) -> None:
    """Have the carrier connect these calls, which left this process after `since`, to another media process.

    Without one, they wait for the next process to start (`calls.clock.sweeper` keeps requesting their streams).
    """
    if media_nodes.is_any_there():
        commands.side_by_side(partial(restart, since=since, reason=DEPLOY), call_ids)


def mark_streams_lost(call_ids: list[int], reason: str = DEPLOY) -> None:
    """The process that holds these calls' sessions is stopping: another one takes over (`calls.clock.sweeper`)."""
    note_lost(Call.objects.filter(pk__in=call_ids, status=CallStatus.ANSWERED), reason, at=timezone.now())


def note_lost(calls: CallQuerySet, reason: str, *, at: datetime) -> None:
    """Note that these calls' streams are lost."""
    with transaction.atomic():
        Call.objects.filter(pk__in=calls.lock_in_order()).update(stream_lost_at=at, stream_lost_reason=reason)
