"""Commands to the carrier and to live sessions that follow from a state: sent after the commit, in threads, outside any lock.

If a command is lost with its process, `calls.clock.sweeper` sees the state that required it and sends it again. The carrier ignores
repeats by their command id.
"""

import logging
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from bubblyphone.core.audio import PCMU_8K
from bubblyphone.core.crypto import hash_secret
from bubblyphone.core.monitoring.logs import in_context
from bubblyphone.core.network.waiting import before_waiting
from calls.control import media_nodes
from calls.models import Call
from phone_numbers.carriers.base import CarrierError, StreamSettings
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import AtCarrier, get_carrier
from phone_numbers.models import CallMode

logger = logging.getLogger(__name__)
MEDIA_TOKEN_LIFE = timedelta(seconds=120)
T = TypeVar("T")
COMMANDS_AT_ONCE = 32
THREADS = ThreadPoolExecutor(COMMANDS_AT_ONCE, thread_name_prefix="carrier-command")


def after_commit(function: Callable[..., None], *arguments: Any) -> None:
    """Run in a thread after the current transaction commits; immediately if there is none."""
    transaction.on_commit(lambda: THREADS.submit(in_context(_run, function, arguments)))


def in_thread(function: Callable[..., T], *arguments: Any) -> Future[T | None]:
    """Run in a thread that can use the database. A failure is logged, and the result is None."""
    return THREADS.submit(in_context(_run, function, arguments))


def side_by_side(function: Callable[[T], object], calls: Iterable[T]) -> None:
    """Do the same for each and wait for all, because an unresponsive carrier delays every command."""
    waiting = list(calls)
    if len(waiting) == 1:
        function(waiting[0])
        return
    before_waiting()
    for done in [THREADS.submit(in_context(_run, function, (each,))) for each in waiting]:
        done.result()


def _run(function: Callable[..., T], arguments: tuple[Any, ...]) -> T | None:
    try:
        return function(*arguments)
    except Exception:
        logger.exception("A carrier command failed")
        return None
    finally:
        close_old_connections()


def command_id(call: Call, name: str) -> str:
    """The same for every repeat of a command, so that the carrier runs it once."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.PUBLIC_URL}/calls/{call.pk}/{call.carrier_call_id}/{name}"))


def issue_media_token(call: Call, base: str = "", **noted: datetime) -> StreamSettings:
    """The single-use URL of the call's media stream, PCMU both ways: the one codec without ambiguity (Telnyx's L16 has some).

    A repeat returns the same token, so that a command sent twice is one command; a used token stays used. A restarted stream
    (`calls.control.streams`) has its own. `base` is the target, by default the media process with the fewest calls. `noted` are other
    columns to set in the same statement.
    """
    named = f"{call.pk}:{call.started_at.isoformat()}:{call.stream_restarts}"
    token = salted_hmac("calls.media", named, algorithm="sha256").hexdigest()
    unused = Call.objects.filter(pk=call.pk)
    if not call.stream_restarts:
        unused = unused.filter(session_seen_at=None)
    expires_at = timezone.now() + MEDIA_TOKEN_LIFE
    is_unused = unused.update(media_token_hash=hash_secret(token), media_token_expires_at=expires_at, **noted)
    if noted and not is_unused:
        Call.objects.filter(pk=call.pk).update(**noted)
    return StreamSettings(url=f"{base or media_nodes.stream_base(call)}/{token}", audio_format=PCMU_8K)


def answer(call: Call) -> None:
    """Answer an inbound call and, in streaming mode, start its media stream."""
    stream, now = None, timezone.now()
    if call.mode == CallMode.STREAMING:
        stream = issue_media_token(call, last_command_at=now)
    else:
        Call.objects.filter(pk=call.pk).update(last_command_at=now)
    get_carrier(call, CallControl).answer(
        carrier_call_id=call.carrier_call_id or "",
        client_state=str(call.pk),
        command_id=command_id(call, "answer"),
        stream=stream,
    )


def reject(reported: AtCarrier, carrier_call_id: str, identifier: str) -> None:
    """Reject an inbound call as busy, by its report or by its row."""
    get_carrier(reported, CallControl).reject(carrier_call_id=carrier_call_id, command_id=identifier)


def hang_up(call: Call) -> None:
    """Have the carrier end a call; its report of the end then completes ours."""
    Call.objects.filter(pk=call.pk).update(last_command_at=timezone.now())
    try:
        get_carrier(call, CallControl).hang_up(
            carrier_call_id=call.carrier_call_id or "", command_id=command_id(call, "hangup")
        )
    except CarrierError as error:
        logger.warning("The carrier rejected a hang-up", extra={"call_id": call.pk, "reason": error.reason})
