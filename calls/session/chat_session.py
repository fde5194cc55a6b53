"""A text call: the same agent, with the same prompt and tools, answers typed messages.

There is no audio. Pure asyncio, like `calls.session.call_session`, and with the same parts for the model's connection and the tools.
Turn-taking, silence and playback do not apply.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from agents.cues import Cue
from agents.providers.base import RealtimeSession
from agents.providers.model_events import (
    ModelEvent,
    OutputText,
    OutputTranscript,
    ToolCall,
    ToolCallsCanceled,
    TurnDone,
)
from calls.session.conversation_history import ConversationHistory
from calls.session.interfaces import Engine, Limits, Observer, ToolRunner
from calls.session.model_conversation import ModelConversation
from calls.session.model_link import ModelLink
from calls.session.observer_until_end import ObserverUntilEnd
from calls.session.tool_executor import ToolExecutor
from calls.session.turn_clock import TurnTimes

LIMIT_CHECK_SECONDS = 1.0
# An agent that hangs up may still be writing its goodbye when it calls the tool.
GOODBYE_SECONDS = 1.5

# Receives the pieces of an answer as they are written: its id and text.
Show = Callable[[str, str], None]


class ChatSession(ModelConversation):
    """Runs one conversation to its end. `run` returns why it ended: one of our hangup causes."""

    def __init__(
        self,
        *,
        engines: list[Engine],
        greeting: str,
        agent_begins: bool,
        limits: Limits,
        run_tool: ToolRunner,
        observer: Observer,
        show: Show,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._greeting = greeting
        self._agent_begins = agent_begins
        self._limits = limits
        observer = ObserverUntilEnd(observer)
        self._show = show
        self._now = now
        self._conversation = ConversationHistory(observer, (), now)
        super().__init__(ModelLink(engines, self._conversation, observer, now), observer)
        self._tools = ToolExecutor(
            run_tool=run_tool,
            observer=observer,
            tools=engines[0].config.tools,
            built_in={"end_call": self._hang_up},
            say=self._say_meanwhile,
            deliver=self.link.deliver,
            changed=self._tools_changed,
            now=now,
        )
        self._inbox: asyncio.Queue[str] = asyncio.Queue()
        self._started = self._active_at = now()
        self._asked_at: float | None = None  # since when an answer is due
        self._tools_since: float | None = None
        self._tool_seconds = 0.0  # for that answer
        self._is_leaving = self._has_written = False

    # --- from outside -------------------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """A message of the caller; answered once a model is connected."""
        self._inbox.put_nowait(text)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is due, or a tool is running."""
        return self._asked_at is not None or self._tools.is_busy

    async def run(self, on_end: Callable[[str], Awaitable[None]]) -> str:
        """Hold the conversation until someone ends it; then `on_end` is called with the cause."""
        tasks = [
            asyncio.create_task(self._converse(), name="model"),
            asyncio.create_task(self._read(), name="caller"),
            asyncio.create_task(self._keep_limits(), name="limits"),
        ]
        try:
            cause = await self._wait_for_end(tasks) or "model_failed"
        finally:
            self._observer.close()
            self._tools.leave("call_ended")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.link.close(lambda event: True)
        await on_end(cause)
        return cause

    # --- the caller and the clock -------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            text = await self._inbox.get()
            self._active_at = self._now()
            self._conversation.caller_said(text)
            self._asked_at, self._tool_seconds = self._now(), 0.0
            await self.link.tell_when_connected(partial(_send, text))

    async def _keep_limits(self) -> None:
        while True:
            await asyncio.sleep(LIMIT_CHECK_SECONDS)
            now = self._now()
            if now - self._started >= self._limits.max_duration:
                self.end("max_duration")
            elif now - self._active_at >= self._limits.silence:
                self.end("silence_timeout")

    # --- the model ----------------------------------------------------------------------------------------------------

    async def _begin(self, session: RealtimeSession) -> None:
        if self.link.connections == 1:
            self._observer.event("stream.connected")
            if self._agent_begins:
                self._asked_at = self._now()
                await session.generate_reply(self._greeting)
        elif self._asked_at is not None and not self._tools.is_busy:
            await session.generate_reply(Cue.ANSWER_NOW)
        self.link.session = session

    async def _give_up(self) -> None:
        self.end("model_failed")

    async def _handle(self, session: RealtimeSession, event: ModelEvent) -> None:
        match event:
            case OutputText(item_id, text):
                self._answered()
                self._show(self.link.call_wide(item_id), text)
            case OutputTranscript():
                self._answered()
                self._conversation.model_said(self.link.call_wide_transcript(event))
            case ToolCall():
                self._tools.begin(session, event)
            case ToolCallsCanceled(call_ids):
                self._tools.cancel(call_ids)
            case TurnDone() if self._is_leaving:
                self.end("normal_clearing")

    def _answered(self) -> None:
        """Part of the answer has arrived: the wait is over."""
        self._active_at = self._now()
        if not self._has_written:
            self._has_written = True
            self._observer.model_spoke()
        if self._asked_at is None:
            return
        waited, self._asked_at = self._now() - self._asked_at, None
        tool_ms = int(min(self._tool_seconds, waited) * 1000)
        self._observer.turn(TurnTimes(0, None, int(waited * 1000) - tool_ms, tool_ms, 0, None), 0.0)

    # --- tools --------------------------------------------------------------------------------------------------------

    async def _hang_up(self, session: RealtimeSession, call: ToolCall) -> None:
        self._is_leaving = True
        await asyncio.sleep(GOODBYE_SECONDS)
        self.end("normal_clearing")

    async def _say_meanwhile(self, session: RealtimeSession, words: str) -> None:
        self._answered()
        self._conversation.model_said(OutputTranscript("", words))

    def _tools_changed(self) -> None:
        self._active_at = self._now()
        if self._tools.is_busy and self._tools_since is None:
            self._tools_since = self._now()
        elif not self._tools.is_busy and self._tools_since is not None:
            self._tool_seconds += self._now() - self._tools_since
            self._tools_since = None


async def _send(text: str, session: RealtimeSession) -> None:
    await session.send_text(text)
