"""From a call's row to a running conversation and back: the seam between the database and `calls.session.call_session`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from agents.agent_settings.choices import FirstSpeaker, VoicemailAction
from agents.agent_settings.provider_placement import model_settings
from agents.providers.base import SessionConfig
from agents.tools.definitions import build_toolset
from agents.tools.http_tools import http_tools
from bubblyphone.core.audio import AudioFormat
from bubblyphone.core.monitoring import tracing
from calls.control import lifecycle, session_messages
from calls.control.session_messages import Leave
from calls.live import tool_requests
from calls.live.call_recorder import RecordedTransport
from calls.live.control_loop import keep_control_loop
from calls.live.database_threads import in_database
from calls.live.event_writer import EventWriter
from calls.live.fallback_tts import LocalFallbackTts
from calls.live.http_tool_calls import HttpTools
from calls.live.live_call import LiveCall
from calls.live.live_sessions import registered
from calls.live.opt_out_tool import OptOutTool
from calls.live.overheard import screening_plan
from calls.live.recording_tap import taped
from calls.live.tool_calls import TelephoneTools, ToolWebhook, no_tools
from calls.live.transfer_tool import TransferRouter
from calls.models import HangupCause
from calls.session.call_session import CallSession
from calls.session.interfaces import LEFT, Limits, Observer, ToolRunner, TransferRequester
from calls.session.transport import MediaTransport
from calls.session.who_answered import Answering

# The carrier's report of a hangup and the end of its stream arrive in any order: each waits this long for the other.
HANGUP_REPORT_SECONDS = 4.0

OnEnd = Callable[[str], Awaitable[None]]


async def run_session(
    live: LiveCall, transport: MediaTransport, on_end: OnEnd, observer: Observer | None = None
) -> str:
    """Run the conversation of a call over a media connection until it ends; returns why ("": the caller's side ended).

    `on_end` is called with the cause immediately; this returns once the last words are known, too.
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
    session = await _session_of(live, transport, observer or recorder)
    if live.resumed_after is not None:  # the previous session may still wait for its line in another process
        await in_database(session_messages.tell_session, live.call_id, Leave())
    with registered(live, session):
        control = asyncio.create_task(
            keep_control_loop(live.call_id, session, detects_voicemail=live.detects_voicemail)
        )
        opening = asyncio.create_task(_say_waiting(session, live.to_say))
        try:
            cause = await session.run(on_end)
        finally:
            control.cancel()
            opening.cancel()
    await recorder.drained()
    return cause


async def _session_of(live: LiveCall, transport: MediaTransport, observer: Observer) -> CallSession:
    began_at = time.monotonic()
    shared = session_config(live, transport.audio_format)
    own = live.model.engine(await in_database(live.model.load), shared)
    return CallSession(
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
        observer=observer,
        answering=Answering(detects=live.detects_voicemail and live.resumed_after is None),
        leaves_message=live.config.voicemail_action == VoicemailAction.AI_MESSAGE,
        screening=screening_plan(live),
        request_transfer=transfer_requester(live),
        deliver_late=tool_requests.late_results(live.call_id),
        silent_for=live.silent_for,
        unheard=(began_at - live.streamless_for, began_at),
        agent_begins=live.config.first_speaker == FirstSpeaker.AGENT,
    )


async def _say_waiting(session: CallSession, texts: tuple[str, ...]) -> None:
    """Speak the waiting texts once the model is connected, after its greeting."""
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
    if not live.config.tool_webhook_url or live.signing_identity is None:
        return None
    return ToolWebhook(facts=live.facts, url=live.config.tool_webhook_url, signing_identity=live.signing_identity)


def tool_runner(live: LiveCall, line: MediaTransport | None = None) -> ToolRunner:
    """The runner of all tools in this call."""
    runner: ToolRunner = _tool_webhook(live) or no_tools
    tools = http_tools(live.config.tools)
    if tools and live.signing_identity is not None:
        runner = HttpTools(
            facts=live.facts,
            tools=tools,
            signing_identity=live.signing_identity,
            secrets=live.secrets,
            values=live.values,
            others=runner,
        )
    if live.config.opt_out_tool:
        runner = OptOutTool(live.call_id, runner)
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
    )


async def after_session(call_id: int, cause: str) -> None:
    """A carrier call's session is over: hang up, unless the carrier has ended the call and will report it, or others continue talking."""
    if cause in {HangupCause.TRANSFERRED, LEFT}:
        return
    if cause:
        await in_database(lifecycle.end_call, call_id, cause)
        return
    await asyncio.sleep(HANGUP_REPORT_SECONDS)
    await in_database(lifecycle.end_call, call_id, HangupCause.CARRIER_FAILED)
