"""From a call's row to a running conversation and back: the seam between the database and `calls.session.call_session`."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from channels.layers import get_channel_layer
from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone
from redis.exceptions import RedisError

from agents import secrets
from agents.http_tools import http_tools
from agents.providers.base import SessionConfig, Turn
from agents.providers.settings import model_settings
from agents.secret_tokens import SecretValues, names_in_tools
from agents.settings import CallConfig, FirstSpeaker
from agents.tools import build_toolset
from bubblyphone.core import tracing
from bubblyphone.core.audio import AudioFormat
from bubblyphone.core.crypto import hash_secret
from bubblyphone.core.logs import in_context
from calls import selectors
from calls.control import answered_by, call_variables, lifecycle, media_nodes, session_messages, speech, streams
from calls.control.answered_by import AnsweredBy
from calls.control.session_messages import (
    AddContext,
    End,
    GreetingEnded,
    Leave,
    MachineAnswered,
    PersonAnswered,
    Speak,
    ToolResult,
    TransferBegun,
    TransferFailed,
    decode,
)
from calls.live import tool_requests
from calls.live.call_recorder import RecordedTransport
from calls.live.engines import EngineChoice, engines_of
from calls.live.event_writer import EventWriter
from calls.live.fallback_tts import LocalFallbackTts
from calls.live.http_tool_calls import HttpTools, Sender
from calls.live.opt_out_tool import OptOutTool
from calls.live.recording_tap import taped
from calls.live.tool_calls import CallFacts, TelephoneTools, ToolWebhook, no_tools
from calls.live.transfer_tool import TransferRouter
from calls.models import Call, Direction, HangupCause
from calls.session.answering import Answering
from calls.session.call_session import CallSession
from calls.session.chat_session import ChatSession
from calls.session.conversation import HISTORY_TURNS
from calls.session.interfaces import LEFT, Limits, Observer, ToolRunner, TransferRequester
from calls.session.transport import MediaTransport
from webhooks import signing
from webhooks.signing import SigningKeys

logger = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
# The carrier's report of a hang-up and the end of its stream come in no fixed order: this long one waits for the other.
HANGUP_REPORT_SECONDS = 4.0
LEAVE_SECONDS = 2.0
# After Redis was away, or a message could not be understood.
CONTROL_RETRY_SECONDS = 1.0

OnEnd = Callable[[str], Awaitable[None]]
R = TypeVar("R")
THREADS = ThreadPoolExecutor(4, thread_name_prefix="live-call")


@dataclass(frozen=True, slots=True)
class LiveCall:
    """All that a session needs to know of its call, read once."""

    call_id: int
    config: CallConfig
    model: EngineChoice
    fallback: EngineChoice | None  # stands in for it
    keys: SigningKeys | None
    developer_id: int
    signing_secret_id: int | None
    carrier: str
    carrier_call_id: str | None  # none: a sandbox call
    facts: CallFacts
    values: dict[str, str]  # of all variables, to which tools may add
    secrets: SecretValues
    detects_voicemail: bool
    resumed_after: float | None  # seconds since the answer, where another session has talked before; else None
    resume_reason: str  # why it did not go on (calls.control.streams)
    silent_for: float  # seconds since the last sound in it
    history: tuple[Turn, ...]  # what was said in it
    to_say: tuple[str, ...]  # what the developer wanted said before there was an answer
    is_text: bool = False  # written, not spoken (calls.session.chat_session)


async def in_database(function: Callable[..., R], *arguments: Any, **options: Any) -> R:
    """Run a synchronous function that uses the database in a thread, away from the loop that carries audio."""

    def run() -> R:
        try:
            return function(*arguments, **options)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(THREADS, in_context(run))


def claim_media_token(token: str, *, public_id: str | None = None) -> LiveCall | None:
    """Use up a media token; None if it is unknown, used or lapsed, or its call is over.

    `public_id` is a sandbox call's; without it the token must be a carrier call's.
    """
    with transaction.atomic():
        call = (
            Call.objects.select_for_update(of=("self",))
            .filter(media_token_hash=hash_secret(token), media_token_expires_at__gt=timezone.now(), public_id=public_id)
            .running()
            .first()
        )
        if call is None:
            return None
        call.media_token_hash, call.session_seen_at, call.stream_lost_at = "", timezone.now(), None
        call.media_node = media_nodes.OWN.name
        call.save(update_fields=["media_token_hash", "session_seen_at", "stream_lost_at", "media_node"])
    return load(call.pk)


def load(call_id: int) -> LiveCall:
    """Read a call for a session."""
    call = Call.objects.select_related("phone_number__signing_secret", "agent__signing_secret").get(pk=call_id)
    config = call.settings
    model, fallback = engines_of(call, config)
    secret = selectors.signing_secret_of(call)
    is_resumed = call.stream_restarts > 0 and call.events.filter(event_type="stream.connected").exists()
    resumed_after = (timezone.now() - (call.answered_at or call.started_at)).total_seconds() if is_resumed else None
    said = list(call.transcript.order_by("-spoken_at", "-id")[:HISTORY_TURNS]) if is_resumed else []
    return LiveCall(
        call_id=call.pk,
        config=config,
        model=model,
        fallback=fallback,
        keys=signing.signing_keys(secret) if secret else None,
        developer_id=call.developer_id,
        signing_secret_id=secret.pk if secret else None,
        carrier=call.carrier,
        carrier_call_id=call.carrier_call_id,
        facts=CallFacts(
            call_id=str(call.pk),
            from_number=call.from_number,
            to_number=call.to_number,
            direction=call.direction,
            variables=call.dynamic_variables,
            metadata=call.metadata,
        ),
        values=call_variables.values_of(call),
        secrets=secrets.values_of(call.developer_id, names_in_tools(config.tools)),
        detects_voicemail=call.direction == Direction.OUTBOUND and not call.sandbox,
        resumed_after=resumed_after,
        resume_reason=streams.DEPLOY if call.stream_lost_reason == streams.DEPLOY else streams.SESSION_LOST,
        silent_for=selectors.silent_seconds(call) if is_resumed else 0.0,
        history=tuple(Turn(entry.role, entry.text) for entry in reversed(said)),
        to_say=speech.take_waiting(call),
        is_text=call.is_text,
    )


async def run_session(
    live: LiveCall, transport: MediaTransport, on_end: OnEnd, observer: Observer | None = None
) -> str:
    """Run the conversation of a call over a media connection until it ends; returns why ("": the caller's side ended).

    `on_end` is called with the cause at once; this returns when the last words are known, too.
    """
    with tracing.span("session", call_id=live.call_id):
        return await _run_session(live, transport, on_end, observer)


async def _run_session(live: LiveCall, transport: MediaTransport, on_end: OnEnd, observer: Observer | None) -> str:
    async with taped(live.call_id, transport, is_wanted=live.config.recording_enabled) as connection:

        async def ended(cause: str) -> None:
            if isinstance(connection, RecordedTransport):
                connection.stop()
            await on_end(cause)

        return await _converse(live, connection, ended, observer)


async def _converse(live: LiveCall, transport: MediaTransport, on_end: OnEnd, observer: Observer | None) -> str:
    recorder = EventWriter(live.call_id)
    shared = session_config(live, transport.audio_format)
    own = live.model.engine(await in_database(live.model.load), shared)
    session = CallSession(
        transport=transport,
        model=own.model,
        config=own.config,
        fallback=live.fallback.engine(await in_database(live.fallback.load), shared) if live.fallback else None,
        fallback_tts=LocalFallbackTts(transport.audio_format, live),
        greeting=live.config.greeting_message,
        limits=Limits(
            max_duration=live.config.max_call_duration - (live.resumed_after or 0.0),
            silence=live.config.silence_timeout,
            asks=live.config.silence_prompt,
        ),
        resume_reason=live.resume_reason if live.resumed_after is not None else "",
        run_tool=tool_runner(live, transport),
        observer=observer or recorder,
        answering=Answering(detects=live.detects_voicemail and live.resumed_after is None),
        request_transfer=transfer_requester(live),
        hand_on=tool_requests.late_results(live.call_id),
        silent_for=live.silent_for,
        agent_begins=live.config.first_speaker == FirstSpeaker.AGENT,
    )
    if live.resumed_after is not None:  # in another process the session before may wait for its line yet
        await in_database(session_messages.tell_session, live.call_id, Leave())
    with registered(live, session):
        control = asyncio.create_task(
            _keep_control_loop(live.call_id, session, detects_voicemail=live.detects_voicemail)
        )
        opening = asyncio.create_task(_say_waiting(session, live.to_say))
        try:
            cause = await session.run(on_end)
        finally:
            control.cancel()
            opening.cancel()
    await recorder.drained()
    return cause


async def _say_waiting(session: CallSession, texts: tuple[str, ...]) -> None:
    """As soon as the model is there, after its greeting."""
    for text in texts:
        while not await session.speak(text):  # noqa: ASYNC110  it is being connected
            await asyncio.sleep(0.1)


def session_config(live: LiveCall, caller_format: AudioFormat) -> SessionConfig:
    """The settings that do not depend on the model."""
    config = live.config
    return SessionConfig(
        upstream_model=live.model.upstream_model,
        instructions=config.system_prompt,
        caller_format=caller_format,
        tools=build_toolset(config, on_telephone=live.carrier_call_id is not None),
        settings=model_settings(config),
        history=live.history,
    )


def _tool_webhook(live: LiveCall) -> ToolWebhook | None:
    if not live.config.tool_webhook_url or live.keys is None or live.signing_secret_id is None:
        return None
    return ToolWebhook(
        facts=live.facts,
        url=live.config.tool_webhook_url,
        keys=live.keys,
        developer_id=live.developer_id,
        signing_secret_id=live.signing_secret_id,
    )


def tool_runner(live: LiveCall, line: MediaTransport | None = None) -> ToolRunner:
    """Everything that runs tools in this call."""
    runner: ToolRunner = _tool_webhook(live) or no_tools
    tools = http_tools(live.config.tools)
    if tools and live.keys is not None and live.signing_secret_id is not None:
        runner = HttpTools(
            facts=live.facts,
            tools=tools,
            sender=Sender(live.keys, live.developer_id, live.signing_secret_id),
            secrets=live.secrets,
            values=live.values,
            others=runner,
        )
    if live.config.opt_out_tool:
        runner = OptOutTool(live.call_id, runner, in_database)
    return TelephoneTools(live, runner, line) if live.carrier_call_id else runner


def transfer_requester(live: LiveCall) -> TransferRequester | None:
    if live.carrier_call_id is None:
        return None
    return TransferRouter(
        live.call_id,
        webhook=_tool_webhook(live),
        transfer_number=live.config.transfer_number,
        values=live.values,
        unusable_number=live.config.unusable_transfer_number,
        in_database=in_database,
    )


async def after_session(call_id: int, cause: str) -> None:
    """A carrier call's session is over: hang up, unless the carrier has ended the call and says so, or others talk on."""
    if cause in {HangupCause.TRANSFERRED, LEFT}:
        return
    if cause:
        await in_database(lifecycle.end_call, call_id, cause)
        return
    await asyncio.sleep(HANGUP_REPORT_SECONDS)
    await in_database(lifecycle.end_call, call_id, HangupCause.CARRIER_FAILED)


# --- the end of this process ------------------------------------------------------------------------------------------

_draining = False


def is_draining() -> bool:
    """Whether this process is about to end: it takes no calls any more."""
    return _draining


async def drain(seconds: float) -> None:
    """Leave every telephone call to another process, or the next one (`calls.clock.sweeper`), once its agent has paused.

    Takes `seconds` at most for that, and as long as tools are at work. Sandbox calls end with their browser's connection.
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
    await in_database(streams.mark_streams_lost, list(sessions))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            while _live_calls.keys() & sessions.keys():  # noqa: ASYNC110  they close their sockets
                await asyncio.sleep(0.02)
    # Developers' servers are at work for these calls: what they answer is neither lost nor asked for twice.
    await tool_requests.finished()


async def keep_enlisted() -> None:
    """Of a media process: get new calls from now on, until it is about to stop."""
    is_enlisted = False
    while not _draining:
        try:
            if is_enlisted:
                await in_database(media_nodes.announce, len(_live_calls))
            else:
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


# --- what reaches a live session from other processes -----------------------------------------------------------------


async def _keep_control_loop(call_id: int, session: CallSession, *, detects_voicemail: bool) -> None:
    """Keep the session within reach, whatever becomes of Redis meanwhile."""
    while True:
        try:
            await _control_loop(call_id, session, detects_voicemail=detects_voicemail)
        except Exception:
            logger.exception("A live session is unreachable. Retrying.")
            await asyncio.sleep(CONTROL_RETRY_SECONDS)


async def _control_loop(call_id: int, session: CallSession, *, detects_voicemail: bool) -> None:
    """Carry out messages to the call's group in the channel layer."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    group = session_messages.session_group(call_id)
    await layer.group_add(group, channel)
    try:
        if detects_voicemail:
            await _catch_up(session, await in_database(answered_by.reported, call_id))
        while True:
            carried: Mapping[str, Any] = await layer.receive(channel)
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
                    session.answering.person()
                case MachineAnswered():
                    await session.voicemail.begin()
                case GreetingEnded(seconds_ago):
                    session.answering.greeting_ended(seconds_ago=seconds_ago)
                case AddContext(text):
                    await _answer(carried, done=await session.inject_context(text))
                case ToolResult(tool, result):
                    await _answer(carried, done=await session.late_result(tool, result))
                case Speak(text):
                    await _answer(carried, done=await session.speak(text))
    finally:
        with contextlib.suppress(OSError, RedisError):
            await layer.group_discard(group, channel)


async def _catch_up(session: CallSession, reported: AnsweredBy) -> None:
    """Tell a session what was reported while it was coming to be, or to the one before it."""
    if reported.greeting_ended_seconds_ago is not None:
        session.answering.greeting_ended(seconds_ago=reported.greeting_ended_seconds_ago)
    if reported.verdict == "machine":
        await session.voicemail.begin()
    elif reported.verdict:
        session.answering.person()


async def _answer(message: Mapping[str, Any], *, done: bool) -> None:
    await in_database(session_messages.answer, message["answer_key"], done=done)


# --- signs of life ----------------------------------------------------------------------------------------------------

_live_calls: dict[int, tuple[LiveCall, CallSession | ChatSession]] = {}
_heart: asyncio.Task[None] | None = None


@contextlib.contextmanager
def registered(live: LiveCall, session: CallSession | ChatSession) -> Iterator[None]:
    """While a session lives its call's row says so, so that a process that dies leaves calls that look dead."""
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
    Call.objects.filter(pk__in=call_ids).update(session_seen_at=timezone.now())
