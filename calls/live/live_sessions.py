"""The sessions of this process: their signs of life, and their shutdown."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from django.db import DatabaseError, transaction
from django.utils import timezone

from calls.control import media_nodes, streams
from calls.live import tool_requests
from calls.live.database_threads import in_database
from calls.live.live_call import LiveCall
from calls.models import Call
from calls.session.call_session import CallSession
from calls.session.chat_session import ChatSession
from calls.session.interfaces import LEFT

logger = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
LEAVE_SECONDS = 2.0

_live_calls: dict[int, tuple[LiveCall, CallSession | ChatSession]] = {}
_heart: asyncio.Task[None] | None = None
_draining = False


@contextlib.contextmanager
def registered(live: LiveCall, session: CallSession | ChatSession) -> Iterator[None]:
    """Maintain the session's heartbeat in its call's row, so that calls of a dead process are recognized."""
    global _heart
    _live_calls[live.call_id] = live, session
    if _heart is None or _heart.done() or _heart.get_loop() is not asyncio.get_running_loop():
        _heart = asyncio.create_task(_beat())
    try:
        yield
    finally:
        if _live_calls.get(live.call_id) == (live, session):
            del _live_calls[live.call_id]


async def _beat() -> None:
    while _live_calls:
        try:
            await in_database(_touch, list(_live_calls))
        except Exception:
            logger.exception("Writing the heartbeat of running calls failed")
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _touch(call_ids: list[int]) -> None:
    # A locked call is touched five seconds later: waiting for one while others are locked here can be a deadlock.
    with transaction.atomic():
        free = Call.objects.filter(pk__in=call_ids).select_for_update(skip_locked=True, no_key=True)
        Call.objects.filter(pk__in=free.values("pk")).update(session_seen_at=timezone.now())


def is_draining() -> bool:
    """Whether this process is about to end: it accepts no more calls."""
    return _draining


async def drain(seconds: float) -> None:
    """Leave every phone call to another process, or the next one (`calls.clock.sweeper`), once its agent pauses.

    Takes at most `seconds` for that, and as long as tools are running. Sandbox calls end with their browser's connection.
    """
    global _draining
    _draining = True
    await _withdraw()
    sessions = {
        live.call_id: session
        for live, session in _live_calls.values()
        if live.carrier_call_id and isinstance(session, CallSession)
    }
    await asyncio.gather(*(session.end_when_quiet(LEFT, seconds) for session in sessions.values()))
    left_at = timezone.now()
    await in_database(streams.mark_streams_lost, list(sessions))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            while _live_calls.keys() & sessions.keys():  # noqa: ASYNC110  they close their sockets
                await asyncio.sleep(0.02)
    # Developers' servers are working for these calls: their responses are neither lost nor requested twice.
    await asyncio.gather(_move(list(sessions), left_at), tool_requests.finished())


async def _move(call_ids: list[int], left_at: datetime) -> None:
    try:
        await in_database(partial(streams.move, since=left_at), call_ids)
    except DatabaseError:
        logger.warning("Moving calls to another media process failed; the clock does it", exc_info=True)


async def keep_enlisted() -> None:
    """Keep a media process registered for new calls until it is about to stop."""
    is_enlisted = False
    while not _draining:
        try:
            is_enlisted = is_enlisted and await in_database(media_nodes.announce, len(_live_calls))
            if not is_enlisted:
                await in_database(media_nodes.enlist)
                is_enlisted = True
        except DatabaseError:
            logger.warning("Announcing this media process failed", exc_info=True)
        await asyncio.sleep(media_nodes.BEAT_SECONDS)


async def _withdraw() -> None:
    if media_nodes.OWN.name:
        try:
            await in_database(media_nodes.withdraw)
        except DatabaseError:
            logger.warning("Withdrawing this media process failed", exc_info=True)
