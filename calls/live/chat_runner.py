"""Runs a text call from its row to its end; voice calls are run by `calls.live.session_runner`."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from agents.agent_settings.choices import FirstSpeaker
from bubblyphone.core.audio import PCM16_24K
from calls.control.session_messages import AddContext, End, Leave, Speak, Whisper, decode
from calls.live.control_loop import Carried, answer, keep_listening
from calls.live.database_threads import in_database
from calls.live.live_call import LiveCall
from calls.live.live_sessions import registered
from calls.live.session_runner import OnEnd, session_config, tool_runner
from calls.models import HangupCause
from calls.session.chat_session import ChatSession, Show
from calls.session.interfaces import Limits, Observer

# People take longer to type than to speak.
IDLE_SECONDS = 600.0


async def run_chat(
    live: LiveCall, on_end: OnEnd, observer: Observer, *, show: Show, begun: Callable[[ChatSession], None]
) -> str:
    """Run a text call until it ends; returns why.

    `begun` receives the session, `show` the pieces of the agent's answers as they are written.
    """
    shared = replace(session_config(live, PCM16_24K), is_text=True)
    engines = [live.model.engine(await in_database(live.model.load), shared)]
    if live.fallback:
        engines.append(live.fallback.engine(await in_database(live.fallback.load), shared))
    session = ChatSession(
        engines=engines,
        greeting=live.config.greeting_message,
        agent_begins=live.config.first_speaker == FirstSpeaker.AGENT,
        limits=Limits(max_duration=live.config.max_call_duration, silence=IDLE_SECONDS),
        run_tool=tool_runner(live),
        observer=observer,
        show=show,
    )
    begun(session)
    with registered(live, session):
        control = asyncio.create_task(keep_listening(live.call_id, partial(_carry_out, session)))
        try:
            return await session.run(on_end)
        finally:
            control.cancel()


async def _carry_out(session: ChatSession, carried: Carried) -> None:
    match decode(carried):
        case End(cause):
            session.end(cause)
        case Leave():
            session.end(HangupCause.NORMAL_CLEARING)
        case AddContext(text, by):
            await answer(carried, done=await session.inject_context(text, by=by))
        case Speak(text):
            await answer(carried, done=await session.speak(text))
        case Whisper(text, by):
            await answer(carried, done=await session.whisper(text, by=by))
