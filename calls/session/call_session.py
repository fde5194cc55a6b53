"""One live call: the caller on one side, a model on the other, tools between them.

Pure asyncio: no database, no framework. An observer, whose methods return at once, learns what happens; what the session
needs of the world it is handed. Three tasks run for a call: caller to model, model to caller, and the limits; whichever
finishes first ends it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from agents.cues import Cue
from agents.providers.base import RealtimeModel, RealtimeSession, SessionConfig
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputTranscript,
    Reconnected,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallsCanceled,
    TurnDone,
)
from bubblyphone.core.audio import make_transcoder, payload_ms
from calls.session.agent_output import AgentOutput
from calls.session.audio_monitor import Monitor
from calls.session.barge_in import BargeIn
from calls.session.caller_input import CallerInput
from calls.session.conversation_history import ConversationHistory
from calls.session.dead_air import SPOKEN_MS, DeadAir
from calls.session.farewell import Farewell
from calls.session.interfaces import (
    LEFT,
    Engine,
    FallbackTts,
    LateResults,
    Limits,
    Observer,
    ToolRunner,
    TransferRequester,
)
from calls.session.last_words import hear_last_words
from calls.session.limit_watch import PAUSE_SECONDS, LimitWatch
from calls.session.model_link import ModelLink
from calls.session.model_notices import TAKEN_OVER
from calls.session.observer_until_end import ObserverUntilEnd
from calls.session.screening import NOT_SCREENED, Screening, ScreeningPlan
from calls.session.session_orders import SessionOrders
from calls.session.short_path import ShortPath
from calls.session.silence_timeout import SilenceClock
from calls.session.speech_times import BothSides
from calls.session.take_over import TakeOver
from calls.session.tool_executor import MOVED, ToolExecutor
from calls.session.transfer_state import TransferState
from calls.session.transport import MediaTransport
from calls.session.turn_clock import SHORTEST_VOICE_MS, TurnClock
from calls.session.voicemail import Voicemail
from calls.session.who_answered import Answering


class CallSession(SessionOrders):
    """Runs one conversation to its end. `run` returns why it ended: one of our hangup causes, or "" if the caller's side ended it."""

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
        resume_reason: str = "",
        answering: Answering | None = None,
        leaves_message: bool = True,
        screening: ScreeningPlan = NOT_SCREENED,
        request_transfer: TransferRequester | None = None,
        fallback: Engine | None = None,
        fallback_tts: FallbackTts | None = None,
        deliver_late: LateResults | None = None,
        silent_for: float = 0.0,
        unheard: tuple[float, float] = (0.0, 0.0),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._greeting = Cue.BACK_ON_THE_LINE if resume_reason else greeting
        self._leaves_message = leaves_message
        self._agent_begins = agent_begins or bool(resume_reason)
        self._resume_reason = resume_reason  # an earlier session has talked, and why it ended
        self.before_close = lambda: None
        self.answering = answering or Answering()  # set from outside: who has answered
        self._now = now
        observer = ObserverUntilEnd(observer)
        self._conversation = ConversationHistory(observer, config.history, now)
        engines = [Engine(model, config), *filter(None, [fallback])]
        super().__init__(ModelLink(engines, self._conversation, observer, now), observer)
        self._is_mid_answer = self._has_spoken = False
        self._to_caller: Callable[[str], str] | None = None
        self._dead_air = DeadAir(has_fallback=fallback is not None)
        self._silence = SilenceClock(now, silent_for)
        self._transfer = TransferState(request_transfer, self.link.tell, self.link.answer)
        self._connect_ends(fallback_tts, unheard)
        self._handle_interruptions(config, screening)
        self._tools = ToolExecutor(
            run_tool=run_tool,
            observer=observer,
            tools=config.tools,
            built_in={"end_call": self._farewell.hang_up, "transfer_call": self._farewell.hand_over},
            say=self._agent_output.say_meanwhile,
            deliver=self.link.deliver,
            changed=self._tools_changed,
            deliver_late=deliver_late,
            now=now,
        )
        self._limit_watch = self._watch(limits)

    def _connect_ends(self, tts: FallbackTts | None, unheard: tuple[float, float]) -> None:
        """Connect caller and model."""
        self._spoken = BothSides(self._observer, self._now)
        self.monitor = Monitor()
        self._agent_output = AgentOutput(
            self._transport, tts, self._caller_is_answered, self._spoken.agent, self._now, self.monitor
        )
        self._turns = TurnClock(self._observer.turn, self._now)
        self._caller_input = CallerInput(
            transport=self._transport,
            link=self.link,
            agent_output=self._agent_output,
            turns=self._turns,
            observer=self._observer,
            spoke=self._spoken.caller.sound,
            monitor=self.monitor,
            is_deaf=lambda: self._transfer.is_ringing or self.answering.is_machine,
            unheard=unheard,
            now=self._now,
        )
        self._vad = self._caller_input.vad
        self._short_path = ShortPath(
            self._transport, self.link, self._caller_input, play=self._play, caller_began=self._caller_began
        )

    def _handle_interruptions(self, config: SessionConfig, plan: ScreeningPlan) -> None:
        """Handle interruptions by the caller, machines, and the model's goodbye."""
        self._barge_in = BargeIn(
            is_enabled=config.interruptible,
            agent_output=self._agent_output,
            vad=self._vad,
            dead_air=self._dead_air,
            conversation=self._conversation,
            link=self.link,
            observer=self._observer,
        )
        self.voicemail = Voicemail(
            answering=self.answering,
            agent_output=self._agent_output,
            vad=self._vad,
            link=self.link,
            drop=self._barge_in.drop_answers,
            dead_air=self._dead_air,
            end=self.end,
            observer=self._observer,
            leaves_message=self._leaves_message,
            now=self._now,
        )
        self.screening = Screening(
            plan=plan,
            caller_input=self._caller_input,
            answering=self.answering,
            voicemail=self.voicemail,
            agent_output=self._agent_output,
            link=self.link,
            greet=self._greet,
            end=self.end,
            now=self._now,
        )
        self._farewell = Farewell(self._agent_output, self._transfer, self.answering, self.end, self._now)
        self.take_over = self._make_take_over()

    def _make_take_over(self) -> TakeOver:
        """Let someone on the call's page take the agent's place."""
        return TakeOver(
            audio_format=self._transport.audio_format,
            agent_output=self._agent_output,
            caller_input=self._caller_input,
            barge_in=self._barge_in,
            dead_air=self._dead_air,
            conversation=self._conversation,
            link=self.link,
            spoken=self._spoken,
            transfer=self._transfer,
            answering=self.answering,
            farewell=self._farewell,
            observer=self._observer,
            now=self._now,
        )

    def _watch(self, limits: Limits) -> LimitWatch:
        return LimitWatch(
            limits=limits,
            silence=self._silence,
            dead_air=self._dead_air,
            link=self.link,
            caller_input=self._caller_input,
            agent_output=self._agent_output,
            conversation=self._conversation,
            spoken=self._spoken,
            transfer=self._transfer,
            answering=self.answering,
            voicemail=self.voicemail,
            farewell=self._farewell,
            tools=self._tools,
            take_over=self.take_over,
            observer=self._observer,
            prompt=lambda: self._prompt,
            end=self.end,
            now=self._now,
        )

    async def run(self, on_end: Callable[[str], Awaitable[None]] | None = None) -> str:
        """Hold the conversation until someone ends it: `on_end` is then called immediately, while the last words may still arrive."""
        tasks = [
            asyncio.create_task(self._converse(), name="model"),
            asyncio.create_task(self._caller_input.run(), name="caller"),
            asyncio.create_task(self._limit_watch.run(), name="limits"),
        ]
        try:
            self._short_path.open()
            cause = await self._wait_for_end([*tasks, self._short_path.broken])
            self._close(tasks, cause)
            # The transfer recipient hears what the caller says next.
            words = () if cause == LEFT else (hear_last_words(self.link, self._vad, self._now),)
            await asyncio.gather(*((on_end(cause),) if on_end else ()), *words, self.take_over.finish())
            return cause
        finally:
            if not self._is_over:  # a bug ended it, or the process is stopping
                self._close(tasks, self._cause)
            await self._stop([*tasks, self._caller_input.keys.task, self.voicemail.task, *self.screening.tasks])

    def _close(self, tasks: list[asyncio.Task[None]], cause: str) -> None:
        """The conversation is over. Only the task that reads the model's last words continues."""
        self._is_over = True
        self.before_close()
        self.take_over.leave("session_moved" if cause == LEFT else "call_ended")
        self._short_path.close()
        self._observer.close()
        self._barge_in.line_closed()
        self._tools.leave(MOVED if cause == LEFT else "call_ended")
        for task in tasks[1:] if self.link.session else tasks:
            task.cancel()

    async def _stop(self, begun: list[asyncio.Task[None] | None]) -> None:
        for task in (tasks := [*filter(None, begun)]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.link.close(self._still_counts)
        self._conversation.release()
        self._turns.finish()
        self._spoken.finish()

    # --- model → caller -----------------------------------------------------------------------------------------------

    async def _begin(self, session: RealtimeSession) -> None:
        if is_first := self.link.connections == 1:
            await self.answering.wait_for_verdict()
            if self.answering.is_machine and not self._leaves_message:
                await self.screening.has_begun.wait()  # or the end of the call
        self._caller_input.listen_for(session)
        self._to_caller = make_transcoder(session.output_format, self._transport.audio_format)
        session.audio_sink = partial(self._short_path.play, session)
        session.speech_sink = self._short_path.caller_began
        self.link.session = session
        await self.take_over.brief(session)
        self._dead_air.patience = self.link.answer_seconds
        if is_first and not self._resume_reason:
            self._observer.event("stream.connected")
        elif is_first:
            self._observer.event("stream.reconnected", {"reason": self._resume_reason})
        if not is_first:
            await self._go_on(session)
        elif self._agent_begins and not self.answering.is_machine and not self.take_over.is_on:
            self._dead_air.expect(self._now())
            await session.generate_reply(self._greeting)

    async def _greet(self) -> None:
        """A person has joined."""
        if self._agent_begins:
            self._dead_air.expect(self._now())
            await self.link.tell(lambda session: session.generate_reply(self._greeting))

    async def _give_up(self) -> None:
        await self.take_over.wait_until_over()
        while not await self._farewell.give_up(self._end):
            await self.take_over.wait_until_over()

    async def _go_on(self, session: RealtimeSession) -> None:
        """After an interruption: the model does not know that it was speaking, or that the caller waits."""
        if self.voicemail.is_greeting or self._tools.is_busy or self.take_over.is_on:
            return  # while tools run, it would call them again; their results make it speak
        has_spoken = self._vad.voiced_ms >= SPOKEN_MS and self._now() - self._vad.voice_at >= PAUSE_SECONDS
        is_waited_for = self._dead_air.since is not None or has_spoken
        if self._is_mid_answer or is_waited_for:
            self._dead_air.expect(self._now())
            await session.generate_reply(Cue.GO_ON if self._is_mid_answer else self._prompt)

    @property
    def _prompt(self) -> str:
        """What makes a model speak that should have spoken on its own."""
        if self.answering.is_machine:
            return Cue.LEAVE_MESSAGE
        is_greeting_due = self._agent_begins and not self._agent_output.sounding_item
        return self._greeting if is_greeting_due else Cue.ANSWER_NOW

    def _still_counts(self, event: ModelEvent) -> bool:
        """Whether an event still counts: after the end, only what the caller said and heard before."""
        if not self._is_over or isinstance(event, InputTranscript):
            return True
        return isinstance(event, OutputTranscript) and self._agent_output.has_sounded(
            self.link.call_wide(event.item_id)
        )

    async def _handle(self, session: RealtimeSession, event: ModelEvent) -> None:
        if isinstance(event, AudioDelta):
            await self._play(session, event.item_id, event.payload)
            return
        if not self._still_counts(event):
            return
        match event:
            case SpeechStarted():
                await self._caller_began()
            case SpeechStopped():
                self._turns.end_detected()
                self._conversation.caller_finished()
            case InputTranscript(text):
                self._silence.caller_finished(self._vad.heard_at or self._now())
                self._conversation.caller_said(text)
            case OutputTranscript():
                self._conversation.model_said(self.link.call_wide_transcript(event))
            case ToolCall():
                self._tools.begin(session, event, denied=TAKEN_OVER if self.take_over.is_on else "")
            case ToolCallsCanceled(call_ids):
                self._tools.cancel(call_ids)
                self._transfer.cancel(call_ids)
                self._dead_air.nothing_due()
            case TurnDone():
                self._is_mid_answer = False
                (self.screening if self.screening.is_on else self.voicemail).turn_done()
                await self._agent_output.end_answer()
            case Reconnected(reason, mid_answer):
                self._observer.event("model.reconnected", {"reason": reason})
                if mid_answer:
                    self._is_mid_answer = True
                    await self._go_on(session)

    async def _play(self, session: RealtimeSession, item_id: str, payload: str) -> None:
        item_id = self.link.call_wide(item_id)
        is_out = self._transfer.is_ringing or self.take_over.is_on
        is_for_nobody = self._is_over or self._conversation.is_cut(item_id) or is_out
        other_end = self.screening if self.screening.is_on else self.voicemail
        if is_for_nobody or not other_end.takes(item_id):
            length_ms, heard_ms = payload_ms(payload, session.output_format), self._agent_output.heard_ms(item_id)
            self._conversation.unheard(item_id, length_ms, heard_ms=heard_ms)
            return
        if self._to_caller is not None:
            payload = self._to_caller(payload)
            if not payload:
                return
        self._silence.caller_finished()
        if not await self._agent_output.say(item_id, payload):
            return
        if not self._has_spoken:
            self._has_spoken = True
            self._observer.model_spoke()
        self._is_mid_answer = True
        self._dead_air.answered()

    def _caller_is_answered(self, received_at: float, silent_ms: float) -> bool:
        """A sound was sent, from the model or the fallback voice. Returns whether it answers something the caller said."""
        if is_answer := self._vad.voiced_ms >= SHORTEST_VOICE_MS:
            self._turns.answered(self._vad.voice_at, self._vad.voice_lag_ms, received_at, silent_ms)
        self._vad.forget()
        return is_answer

    async def _caller_began(self) -> None:
        """The caller speaks, possibly over the agent: barge-in, except during a goodbye or a transfer."""
        self._silence.caller_began()
        self._turns.caller_spoke()
        is_listened_to = self._farewell.has_begun or self._transfer.is_ringing or self.take_over.is_on
        if self._barge_in.is_possible and not is_listened_to:
            self._is_mid_answer = False
            await self._barge_in.cut_answer()

    def _tools_changed(self) -> None:
        self._turns.tools_run(any_left=self._tools.is_busy)
        if not self._tools.is_busy:
            self._dead_air.expect(self._now())
