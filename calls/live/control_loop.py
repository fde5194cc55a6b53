"""Messages that reach a live session from other processes, through its call's group in the channel layer."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from calls.control import answered_by, session_messages
from calls.control.answered_by import AnsweredBy
from calls.control.reported_keys import reported_keys
from calls.control.session_messages import (
    AddContext,
    End,
    GiveBack,
    GreetingEnded,
    KeyPressed,
    Leave,
    Listen,
    MachineAnswered,
    PersonAnswered,
    ScreeningDetected,
    Speak,
    StopListening,
    TakeOverCall,
    ToolResult,
    TransferBegun,
    TransferFailed,
    Whisper,
    decode,
)
from calls.live.attendance import Attendance
from calls.live.database_threads import in_database
from calls.session.call_session import CallSession
from calls.session.interfaces import LEFT
from calls.session.take_over import Person

logger = logging.getLogger(__name__)
# After a Redis outage, or a message that could not be parsed.
CONTROL_RETRY_SECONDS = 1.0

Carried = Mapping[str, Any]  # a message in the format of the channel layer
CarryOut = Callable[[Carried], Awaitable[None]]
CatchUp = Callable[[], Awaitable[None]]


async def keep_control_loop(call_id: int, session: CallSession, *, detects_voicemail: bool) -> None:
    """Keep a spoken conversation reachable."""

    attendance = Attendance(call_id, session)

    async def catch_up() -> None:
        if detects_voicemail:
            await _catch_up(session, await in_database(answered_by.reported, call_id))
        for key in await in_database(reported_keys, call_id):
            session.key_reported(key.event_id, key.digit, seconds_ago=key.seconds_ago)

    try:
        await keep_listening(call_id, partial(_carry_out, session, attendance), catch_up)
    finally:
        attendance.close()


async def keep_listening(call_id: int, carry_out: CarryOut, catch_up: CatchUp | None = None) -> None:
    """Handle the messages to a call's group in the channel layer, surviving Redis outages; never ends.

    `catch_up` is called whenever listening has started, when no further message can be missed.
    """
    while True:
        try:
            await _listen(call_id, carry_out, catch_up)
        except Exception:
            logger.exception("A live session is unreachable. Retrying.")
            await asyncio.sleep(CONTROL_RETRY_SECONDS)


async def _listen(call_id: int, carry_out: CarryOut, catch_up: CatchUp | None) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    group = session_messages.session_group(call_id)
    await layer.group_add(group, channel)
    try:
        if catch_up is not None:
            await catch_up()
        while True:
            await carry_out(await layer.receive(channel))
    finally:
        with contextlib.suppress(OSError, RedisError):
            await layer.group_discard(group, channel)


async def _carry_out(session: CallSession, attendance: Attendance, carried: Carried) -> None:
    match decode(carried):
        case Leave():
            session.end(LEFT)
        case End(cause):
            session.end(cause)
        case TransferBegun(is_warm):
            await session.transfer_begun(is_warm=is_warm)
        case TransferFailed(reason):
            await session.transfer_failed(reason)
        case PersonAnswered():
            await session.person_answered()
        case ScreeningDetected():
            await session.screening_detected()
        case MachineAnswered():
            await session.machine_answered()
        case GreetingEnded(seconds_ago):
            session.answering.greeting_ended(seconds_ago=seconds_ago)
        case AddContext(text, by):
            await answer(carried, done=await session.inject_context(text, by=by))
        case ToolResult(tool, result):
            await answer(carried, done=await session.late_result(tool, result))
        case KeyPressed(event_id, digit, seconds_ago):
            session.key_reported(event_id, digit, seconds_ago=seconds_ago)
        case Speak(text):
            await answer(carried, done=await session.speak(text))
        case Whisper(text, by):
            await answer(carried, done=await session.whisper(text, by=by))
        case Listen(listener, by):
            reason = attendance.listen(Person(listener, by))
            await answer(carried, done=not reason, reason=reason)
        case StopListening(listener):
            attendance.stop_listening(listener)
        case TakeOverCall(listener, by):
            reason = await attendance.take_over(Person(listener, by))
            await answer(carried, done=not reason, reason=reason)
        case GiveBack(listener, reason):
            await attendance.give_back(listener, reason)


async def _catch_up(session: CallSession, reported: AnsweredBy) -> None:
    """Tell a session what was reported before it started, or to its predecessor."""
    if reported.greeting_ended_seconds_ago is not None:
        session.answering.greeting_ended(seconds_ago=reported.greeting_ended_seconds_ago)
    if reported.is_screened:
        await session.screening_detected(says_who=not session.is_resumed)
        session.screening.listen()
    elif reported.verdict == "machine":
        await session.machine_answered()
    elif reported.verdict:
        await session.person_answered()


async def answer(message: Carried, *, done: bool, reason: str = "") -> None:
    """Tell the sender of a message whether it was carried out, or why not."""
    await in_database(session_messages.answer, message["answer_key"], done=done, reason=reason)
