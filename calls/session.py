"""One live call: the caller on one side, a model on the other, tools between them.

Pure asyncio: no database, no framework. What happens is told to an observer, whose methods return at once; what the session
needs of the world it is handed. Three tasks run for a call: caller to model, model to caller, and the limits; whichever
finishes first ends it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from agents.providers.base import ProviderError, RealtimeModel, RealtimeSession, SessionConfig, Turn
from agents.providers.events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputTranscript,
    Reconnected,
    SpeechStarted,
    ToolCall,
    ToolCallsCancelled,
    TurnDone,
)
from bubblyphone.core.audio import make_transcoder, payload_ms
from calls.answering import LEAVE_MESSAGE, MESSAGE_SECONDS, Answering
from calls.keys import Keys
from calls.playout import Playout
from calls.session_parts import Limits, Observer, ToolRunner, TransferRequester
from calls.transport import MediaTransport
from phone_numbers.carriers.media import DtmfPressed, MarkReached, StreamError, StreamStopped

CONNECT_TIMEOUT_SECONDS = 12.0
# A reconnected model that lived this long may be reconnected again; one that drops at once has failed for good.
STABLE_SECONDS = 60.0
# What the caller says while the model is being connected, in frames of 20 ms.
HELD_BACK_FRAMES = 100
# The longest that a goodbye may take before the line is cut.
FAREWELL_SECONDS = 15.0
# A caller who began to speak counts as speaking for this long at most, in case the end is never reported.
LONGEST_SPEECH_SECONDS = 30.0
LIMIT_CHECK_SECONDS = 0.25
HISTORY_TURNS = 40

Transcoder = Callable[[str], str] | None


class CallSession:
    """Runs one conversation to its end. `run` returns why it ended: one of our hang-up causes, or "" when the caller's side did."""

    def __init__(
        self,
        *,
        transport: MediaTransport,
        model: RealtimeModel,
        config: SessionConfig,
        greeting: str,
        limits: Limits,
        run_tool: ToolRunner,
        observer: Observer,
        agent_begins: bool = True,
        answering: Answering | None = None,
        request_transfer: TransferRequester | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._model = model
        self._config = config
        self._greeting = greeting
        self._limits = limits
        self._run_tool = run_tool
        self._observer = observer
        self._agent_begins = agent_begins
        self.answering = answering or Answering()  # told from outside who has answered
        self._request_transfer = request_transfer
        self._is_transferring = False
        self._transfer_call: ToolCall | None = None
        self._message_task: asyncio.Task[None] | None = None
        self._turn_done = asyncio.Event()
        self._now = now
        self._playout = Playout(now)
        self._session: RealtimeSession | None = None
        self._history: deque[Turn] = deque(config.history, maxlen=HISTORY_TURNS)
        self._tool_tasks: dict[str, asyncio.Task[None]] = {}
        self._interrupted_items: set[str] = set()
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._started = self._last_sound = now()
        self._caller_speaks_since: float | None = None
        self._farewell = False
        self._is_recorded = False  # a machine's greeting is over: it takes the message down
        self._keys = Keys(self._tell_keys)
        self._first_connection = True
        self._to_model: Transcoder = None
        self._to_caller: Transcoder = None

    # --- from outside -------------------------------------------------------------------------------------------------

    def end(self, cause: str) -> None:
        """End the call now. The first cause given stands."""
        if not self._end.done():
            self._end.set_result(cause)

    async def inject_context(self, message: str) -> bool:
        """Give the model a note; False when it has no session at this moment to take it."""
        is_taken = await self._tell(lambda session: session.send_context(message))
        if is_taken:
            self._observer.event("context.injected", source="api")
        return is_taken

    async def speak(self, text: str) -> bool:
        """Have the model say a text of the developer's; False when it has no session at this moment to take it."""
        order = f"Say exactly this to the caller, word for word, and nothing else: {text}"
        return await self._tell(lambda session: session.generate_reply(order))

    async def _tell(self, order: Callable[[RealtimeSession], Awaitable[None]]) -> bool:
        if self._session is None:
            return False
        try:
            await order(self._session)
        except ProviderError:
            return False
        return True

    def transfer_begun(self) -> None:
        """Somebody else is being called: from now on the caller hears the ringing, and the model nothing."""
        self._is_transferring = True

    async def transfer_failed(self, reason: str) -> None:
        """Nobody could be reached: the caller is the model's again, which is told why."""
        call, self._transfer_call = self._transfer_call, None
        self._is_transferring = False
        self._last_sound = self._now()
        why = f"The call could not be handed over ({reason.replace('_', ' ')}). The caller is with you again."
        if call is not None:
            await self._tell(lambda session: session.send_tool_result(call.call_id, call.name, {"error": why}))
        elif await self._tell(lambda session: session.send_context(why)):
            order = "Tell the caller that nobody could be reached, and offer to go on."
            await self._tell(lambda session: session.generate_reply(order))

    async def met_machine(self) -> None:
        """The carrier says that a machine has answered: it is left a message. (A call that is not to leave one is ended.)"""
        if self.answering.machine():
            await self._transport.clear()
            self._playout.cleared()
            self._message_task = asyncio.create_task(self._leave_message())

    async def _leave_message(self) -> None:
        await self.answering.wait_for_greeting()
        self._is_recorded = True
        give_up_at = self._now() + MESSAGE_SECONDS
        while self._session is None and self._now() < give_up_at:  # noqa: ASYNC110  it is being connected
            await asyncio.sleep(0.05)
        self._turn_done.clear()
        await self._tell(lambda session: session.generate_reply(LEAVE_MESSAGE))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, give_up_at - self._now())):
                await self._turn_done.wait()
        await self._let_finish(give_up_at)
        self.end("normal_clearing")

    async def run(self) -> str:
        """Hold the conversation until somebody ends it."""
        tasks = [
            asyncio.create_task(self._converse(), name="model"),
            asyncio.create_task(self._listen(), name="caller"),
            asyncio.create_task(self._keep_limits(), name="limits"),
        ]
        try:
            waited: list[asyncio.Future[Any]] = [*tasks, self._end]
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    task.result()  # a defect of ours is raised here, not lost
            return self._end.result() if self._end.done() else ""
        finally:
            others = [task for task in (self._keys.task, self._message_task) if task is not None]
            await self._stop([*tasks, *self._tool_tasks.values(), *others])

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._observer.event("stream.disconnected")

    # --- model → caller -----------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        connected_at = await self._connect(first=True)
        while connected_at is not None and (session := self._session) is not None:
            try:
                async for event in session.events():
                    await self._handle(session, event)
                return
            except ProviderError as error:
                self._session = None
                await session.close()
                if not error.retryable or (self._now() - connected_at < STABLE_SECONDS and not self._first_connection):
                    self.end("model_failed")
                    return
                connected_at = await self._connect(first=False)

    async def _connect(self, *, first: bool) -> float | None:
        """Open a session with the conversation so far. Returns when, or None after ending the call."""
        self._first_connection = first
        config = self._config if first else replace(self._config, history=tuple(self._history))
        try:
            session = await asyncio.wait_for(self._model.connect(config), CONNECT_TIMEOUT_SECONDS)
            if first:
                await self.answering.wait_for_verdict()
            self._to_model = make_transcoder(self._transport.audio_format, session.input_format)
            self._to_caller = make_transcoder(session.output_format, self._transport.audio_format)
            self._session = session
            if first:
                self._observer.event("stream.connected")
                if self._agent_begins and not self.answering.is_machine:
                    await session.generate_reply(self._greeting)
            else:
                self._observer.event("stream.reconnected", {"reason": "model_dropped"})
        except (ProviderError, TimeoutError) as error:
            self._observer.event("stream.failed", {"reason": str(error)[:200] or "The model did not answer in time."})
            self.end("model_failed")
            return None
        self._last_sound = self._now()
        return self._now()

    async def _handle(self, session: RealtimeSession, event: ModelEvent) -> None:
        match event:
            case AudioDelta(item_id, payload):
                await self._play(item_id, payload)
            case SpeechStarted():
                await self._barge_in(session)
            case InputTranscript(text):
                self._caller_speaks_since = None
                self._last_sound = self._now()
                self._history.append(Turn("user", text))
                self._observer.transcript("user", text)
            case OutputTranscript(item_id, text):
                self._history.append(Turn("model", text))
                self._observer.transcript(
                    "model", text, item_id=item_id, interrupted=item_id in self._interrupted_items
                )
            case ToolCall():
                self._start_tool(session, event)
            case ToolCallsCancelled(call_ids):
                for call_id in call_ids:
                    if task := self._tool_tasks.pop(call_id, None):
                        task.cancel()
            case TurnDone():
                self._turn_done.set()
                if mark := self._playout.next_mark(final=True):
                    await self._transport.send_mark(mark)
            case Reconnected(reason):
                self._observer.event("stream.reconnected", {"reason": reason})

    async def _play(self, item_id: str, payload: str) -> None:
        if item_id in self._interrupted_items or self._is_mute:
            return
        if self._to_caller is not None:
            payload = self._to_caller(payload)
            if not payload:
                return
        self._caller_speaks_since = None
        await self._transport.send_audio(payload)
        self._playout.sent(item_id, payload_ms(payload, self._transport.audio_format))
        if mark := self._playout.next_mark():
            await self._transport.send_mark(mark)

    @property
    def _is_mute(self) -> bool:
        """Whether somebody else is being called, or a machine is still greeting."""
        return self._is_transferring or (self.answering.is_machine and not self._is_recorded)

    async def _barge_in(self, session: RealtimeSession) -> None:
        """The caller speaks: drop what is still to be played, and tell the model how much of its answer was heard."""
        self._caller_speaks_since = self._last_sound = self._now()
        if self._farewell or self._is_transferring or not self._playout.is_playing():
            return
        item_id, heard_ms = self._playout.item_id, self._playout.heard_ms()
        await self._transport.clear()
        self._playout.cleared()
        self._interrupted_items.add(item_id)
        self._observer.event("model.interrupted", {"heard_ms": heard_ms})
        self._observer.interrupted(item_id)
        await session.truncate(item_id, heard_ms)

    # --- caller → model -----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        held_back: deque[str] = deque(maxlen=HELD_BACK_FRAMES)
        async for frame in self._transport.frames():
            match frame:
                case str(payload):
                    session = self._session
                    if session is None:
                        held_back.append(payload)
                        continue
                    while held_back:
                        await self._hear(session, held_back.popleft())
                    await self._hear(session, payload)
                case MarkReached(name):
                    self._playout.reached(name)
                case DtmfPressed(digit):
                    self._last_sound = self._now()
                    self._observer.event("dtmf.received", {"digit": digit}, source="telephony")
                    self._keys.press(digit)
                case StreamError(detail):
                    self._observer.event("stream.error", {"detail": detail[:200]}, source="telephony")
                case StreamStopped():
                    return

    async def _hear(self, session: RealtimeSession, payload: str) -> None:
        if self._is_transferring or self.answering.is_machine:
            return  # ringing, or a recorded voice: nothing to be answered
        if self._to_model is not None:
            payload = self._to_model(payload)
            if not payload:
                return
        # A session that has just failed is replaced by the task that reads its events; this frame is lost with it.
        with contextlib.suppress(ProviderError):
            await session.send_audio(payload)

    async def _tell_keys(self, keys: str) -> None:
        note = f"The caller has pressed these keys of the telephone: {keys}"
        await self._tell(lambda session: session.send_context(note))

    # --- tools --------------------------------------------------------------------------------------------------------

    def _start_tool(self, session: RealtimeSession, call: ToolCall) -> None:
        self._last_sound = self._now()
        self._observer.tool_called(call.name, call.arguments)
        if call.name == "end_call":
            self._tool_tasks[call.call_id] = asyncio.create_task(self._say_goodbye())
            return
        if call.name == "transfer_call":
            self._tool_tasks[call.call_id] = asyncio.create_task(self._hand_over(session, call))
            return
        task = asyncio.create_task(self._answer_tool(session, call))
        self._tool_tasks[call.call_id] = task
        task.add_done_callback(lambda _: self._tool_tasks.pop(call.call_id, None))

    async def _answer_tool(self, session: RealtimeSession, call: ToolCall) -> None:
        began = self._now()
        result = await self._run_tool(call.name, call.arguments)
        self._last_sound = self._now()
        self._observer.event(
            "tool.returned",
            {"tool": call.name, "ok": "error" not in result, "latency_ms": int((self._now() - began) * 1000)},
        )
        with contextlib.suppress(ProviderError):  # a session that is gone gets its history anew
            await session.send_tool_result(call.call_id, call.name, result)

    async def _say_goodbye(self) -> None:
        """The model wants to hang up: let what it has said be heard, then end."""
        self._farewell = True
        await self._let_finish(self._now() + FAREWELL_SECONDS)
        self.end("normal_clearing")

    async def _hand_over(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants somebody else to take over: let what it has said be heard, then have them called."""
        await self._let_finish(self._now() + FAREWELL_SECONDS)
        error = "This call cannot be handed over."
        if self._request_transfer is not None:
            self._transfer_call = call
            error = await self._request_transfer(call.arguments)
        if error:
            self._transfer_call = None
            with contextlib.suppress(ProviderError):
                await session.send_tool_result(call.call_id, call.name, {"error": error})
        self._tool_tasks.pop(call.call_id, None)

    async def _let_finish(self, give_up_at: float) -> None:
        await asyncio.sleep(0.3)  # the last words may come after the call of the tool
        while self._playout.is_playing() and self._now() < give_up_at:  # noqa: ASYNC110  marks move the end about
            await asyncio.sleep(min(0.2, self._playout.remaining_ms() / 1000 + 0.02))

    # --- limits -------------------------------------------------------------------------------------------------------

    async def _keep_limits(self) -> None:
        while True:
            await asyncio.sleep(LIMIT_CHECK_SECONDS)
            now = self._now()
            if now - self._started >= self._limits.max_duration:
                self.end("max_duration")
                return
            busy = self._is_transferring or self.answering.is_machine or not self.answering.is_decided
            if busy or self._playout.is_playing() or self._tool_tasks or self._caller_is_speaking(now):
                self._last_sound = now
            elif now - self._last_sound >= self._limits.silence:
                self.end("silence_timeout")
                return

    def _caller_is_speaking(self, now: float) -> bool:
        since = self._caller_speaks_since
        return since is not None and now - since < LONGEST_SPEECH_SECONDS
