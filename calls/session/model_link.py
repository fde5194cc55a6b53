"""The connection of a live call to its model, and its replacement when it breaks. Pure asyncio."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.providers.base import Choice, ProviderError, RealtimeSession
from agents.providers.model_events import InputTranscript, ModelEvent, OutputTranscript, ToolCall
from bubblyphone.core.monitoring import tracing
from calls.session.conversation_history import ConversationHistory
from calls.session.interfaces import Engine, Observer

CONNECT_TIMEOUT_SECONDS = 12.0
# During a call, the caller hears silence meanwhile.
RECONNECT_TIMEOUT_SECONDS = 6.0
# A reconnected model that lived this long may be reconnected again; one that drops immediately has failed permanently.
STABLE_SECONDS = 60.0


class ModelLink:
    """Connects to the first of the `engines`, and to the next one when that has failed. Failed engines are not tried again."""

    def __init__(
        self,
        engines: Sequence[Engine],
        conversation: ConversationHistory,
        observer: Observer,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = list(engines)
        self._conversation = conversation
        self._observer = observer
        self._now = now
        self._connected_at = 0.0
        self._connection = tracing.Span()
        self._prefix = ""
        self._broke_by = ""  # why the current session replaced the previous one
        self.connections = 0
        self.session: RealtimeSession | None = None

    @property
    def first_engine(self) -> Engine:
        """The current engine; there must be one."""
        return self._engines[0]

    @property
    def answer_seconds(self) -> float:
        """How long the current model may be silent while the caller waits for it."""
        return self._engines[0].model.answer_seconds if self._engines else 0.0

    async def connect(self) -> RealtimeSession | None:
        """A session with the conversation so far. None if no engine provides one."""
        while self._engines:
            engine = self._engines[0]
            config = engine.config
            if self.connections:
                config = replace(config, history=self._conversation.history())
            connection = tracing.begin("model connection", tracing.CLIENT, {"model": config.upstream_model})
            patience = RECONNECT_TIMEOUT_SECONDS if self.connections else CONNECT_TIMEOUT_SECONDS
            try:
                # Not `wait_for`, which may swallow a cancellation that coincides with the session (Python 3.11).
                async with asyncio.timeout(patience):
                    session = await engine.model.connect(config)
            except (ProviderError, TimeoutError) as error:
                connection.end(type(error).__name__)
                if isinstance(error, ProviderError) and self._do_without(error.refused):
                    continue
                self.failed(str(error) or "The model did not respond in time.", is_refusal=_is_refusal(error))
            else:
                # Models restart their answer ids in each session; those of one call must be unique.
                self._prefix = f"{secrets.token_hex(3)}." if config.history else ""
                self.connections += 1
                self._connected_at = self._now()
                self._connection = connection
                self._report_connection(engine)
                return session
        return None

    def _do_without(self, refused: Choice | None) -> bool:
        """Drop a voice or language that the model rejects. False if something else was rejected."""
        engine = self._engines[0]
        if refused is None or not getattr(engine.config, refused):
            return False
        config = replace(engine.config, voice="") if refused == "voice" else replace(engine.config, language="")
        self._engines[0] = replace(engine, config=config)
        return True

    def _report_connection(self, engine: Engine) -> None:
        about = {"model": engine.config.upstream_model}
        if self.connections == 1:
            self._observer.event("model.connected", about)
        else:
            self._observer.event("model.reconnected", {**about, "reason": self._broke_by})

    def call_wide(self, item_id: str) -> str:
        """An id for an answer of the current session that is unique within the call."""
        return self._prefix + item_id

    def call_wide_transcript(self, said: OutputTranscript) -> OutputTranscript:
        """The same transcript with that id."""
        return replace(said, item_id=self.call_wide(said.item_id))

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        """Tell the model how much of an answer was heard; the answer may belong to an earlier session."""
        if item_id.startswith(self._prefix):
            await self.tell(lambda session: session.truncate(item_id.removeprefix(self._prefix), heard_ms))

    def note(self, text: str) -> None:
        """Keep a note for a model that takes over."""
        self._conversation.note(text)

    async def tell(self, order: Callable[[RealtimeSession], Awaitable[None]]) -> bool:
        """Send the model a request; False if no session can currently receive it."""
        if self.session is None:
            return False
        try:
            await order(self.session)
        except ProviderError:
            return False
        return True

    async def tell_when_connected(self, order: Callable[[RealtimeSession], Awaitable[None]]) -> None:
        """The same, waiting for a session as long as it takes."""
        while not await self.tell(order):  # noqa: ASYNC110  it is being connected
            await asyncio.sleep(0.05)

    async def answer(
        self, session: RealtimeSession, call: ToolCall, result: Mapping[str, Any], is_last: bool = True
    ) -> bool:
        """Answer a tool call of the current session, or report it to a later one.

        `is_last`: the model waits for no other tool. False if no session can currently receive it.
        """
        if session is self.session:
            return await self.tell(lambda current: current.send_tool_result(call.call_id, call.name, result))
        return await self.tell(lambda current: current.send_late_result(call.name, result, is_last=is_last))

    async def deliver(
        self, session: RealtimeSession, call: ToolCall, result: Mapping[str, Any], is_last: bool = True
    ) -> None:
        """The same, once there is a session."""
        while not await self.answer(session, call, result, is_last):  # noqa: ASYNC110  it is being connected
            await asyncio.sleep(0.05)

    def failed(self, reason: str, *, is_refusal: bool = False) -> None:
        """The current engine has failed. `is_refusal`: its vendor rejects our request, and would reject it again."""
        engine = self._engines.pop(0)
        self._broke_by = "fallback"
        about = {"reason": reason[:200], "model": engine.config.upstream_model, "refused": is_refusal}
        self._observer.event("model.failed", about)

    async def lost(self, session: RealtimeSession, error: ProviderError) -> None:
        """A session was lost. If this happened soon after a reconnect, it is not reconnected again."""
        self.session, self._broke_by = None, "connection_lost"
        self._connection.end("connection lost")
        await session.close()
        is_repeated = self.connections > 1 and self._now() - self._connected_at < STABLE_SECONDS
        if self._engines and (not error.retryable or is_repeated):
            self.failed(str(error), is_refusal=_is_refusal(error))

    async def drop(self, *, for_good: bool = False) -> None:
        """Drop a useless session; `for_good`: its engine, too."""
        session, self.session, self._broke_by = self.session, None, "silent"
        self._connection.end("silent")
        if for_good and self._engines:
            self.failed("No audio from the model.")
        if session is not None:
            await session.close()

    async def close(self, still_counts: Callable[[ModelEvent], bool]) -> None:
        """The call is over, possibly in the middle of an answer, or of the caller's sentence."""
        session, self.session = self.session, None
        self._connection.end()
        if session is not None:
            await session.close()
            for said in filter(still_counts, session.unfinished()):
                if isinstance(said, InputTranscript):
                    self._conversation.caller_said(said.text)
                    continue
                self._conversation.model_said(self.call_wide_transcript(said))


def _is_refusal(error: ProviderError | TimeoutError) -> bool:
    return isinstance(error, ProviderError) and not error.retryable
