"""Checks the limits of a call four times a second: its duration, silence on the line, and silence of the model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agents.cues import Cue
from calls.session.agent_output import AgentOutput
from calls.session.caller_input import CallerInput
from calls.session.conversation_history import ConversationHistory
from calls.session.dead_air import DeadAir, Remedy
from calls.session.farewell import Farewell
from calls.session.interfaces import Limits, Observer
from calls.session.model_link import ModelLink
from calls.session.silence_timeout import Due, SilenceClock, SilenceLimit
from calls.session.speech_times import BothSides
from calls.session.take_over import TakeOver
from calls.session.tool_executor import ToolExecutor
from calls.session.transfer_state import TransferState
from calls.session.voicemail import Voicemail
from calls.session.who_answered import Answering

LOOK_SECONDS = 0.25
# A caller who is silent for this long has finished speaking.
PAUSE_SECONDS = 0.7


@dataclass(kw_only=True, eq=False, repr=False)
class LimitWatch:
    """Ends a call through `end`, or prompts the model: `prompt` returns the cue for a model that should have spoken on its own."""

    limits: Limits
    silence: SilenceClock
    dead_air: DeadAir
    link: ModelLink
    caller_input: CallerInput
    agent_output: AgentOutput
    conversation: ConversationHistory
    spoken: BothSides
    transfer: TransferState
    answering: Answering
    voicemail: Voicemail
    farewell: Farewell
    tools: ToolExecutor
    take_over: TakeOver
    observer: Observer
    prompt: Callable[[], str]
    end: Callable[[str], None]
    now: Callable[[], float]

    def __post_init__(self) -> None:
        self._vad = self.caller_input.vad
        self._ends_at = self.now() + self.limits.max_duration
        self._silence_limit = SilenceLimit(self.limits.silence, asks=self.limits.asks, now=self.now)

    async def run(self) -> None:
        """Runs until a limit is reached."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self.now()
            if now >= self._ends_at:
                self.end("max_duration")
                return
            self.conversation.release_overdue()
            self.spoken.settle()
            if self.agent_output.is_audible:
                # Nothing else can be due. This saves CPU time, because each call is checked so often.
                self.silence.check(is_sound=True, is_excused=False)
                continue
            heard_at = now if self.take_over.is_on else max(self._vad.heard_at, self.caller_input.acted_at)
            is_excused = self._is_excused
            silent_for = self._silent_seconds(is_excused=is_excused)
            match self._silence_limit.due(silent_for, heard_at=heard_at, may_ask=self.may_speak, is_excused=is_excused):
                case Due.END:
                    self.end("silence_timeout")
                    return
                case Due.QUESTION:
                    self.observer.event("silence.asked")
                    await self.link.tell(lambda session: session.generate_reply(Cue.ASK_IF_THERE))
            await self._mend_dead_air(now)

    @property
    def may_speak(self) -> bool:
        """Whether the model is with the caller and is not heard."""
        is_elsewhere = (
            self.take_over.is_on
            or self.transfer.is_ringing
            or self.voicemail.is_greeting
            or not self.answering.is_decided
        )
        is_away = self.link.session is None or self.agent_output.is_line_broken or self.farewell.has_begun
        return not (is_elsewhere or is_away or self.agent_output.is_audible or self.tools.is_busy)

    @property
    def is_quiet(self) -> bool:
        """Whether the model may speak and the caller has been silent for a moment."""
        return self.may_speak and self.now() - self._vad.heard_at >= PAUSE_SECONDS

    @property
    def _is_excused(self) -> bool:
        """Whether someone waits for a model, a verdict, a tool or a person, which is nobody's silence."""
        is_waiting = self.transfer.is_under_way or not self.answering.is_decided or not self.link.connections
        return is_waiting or self.tools.is_busy

    def _silent_seconds(self, *, is_excused: bool) -> float:
        """Since the last sound. Ringing is one.

        A person who has taken the call over may be silent for as long as they like; then a new silence begins.
        """
        is_elsewhere = self.transfer.is_ringing or self.answering.is_machine or self.take_over.is_on
        self.silence.heard(max(self.agent_output.sound_ends_at, self._vad.heard_at, self.caller_input.acted_at))
        return self.silence.check(is_sound=is_elsewhere or self.agent_output.is_audible, is_excused=is_excused)

    async def _mend_dead_air(self, now: float) -> None:
        if self._vad.voiced_ms >= self.dead_air.spoken_ms and self._vad.voice_at > (self.dead_air.since or 0.0):
            self.dead_air.expect(self._vad.voice_at)
        if not self.may_speak or (remedy := self.dead_air.due(now)) is None:
            return
        self.observer.event("dead_air", {"remedy": remedy.value})
        if self.agent_output.is_on:  # an inaudible answer, before which nothing else would be heard
            await self.agent_output.fall_silent()
        if remedy is Remedy.PROMPT:
            await self.link.tell(lambda session: session.generate_reply(self.prompt()))
        else:
            await self.link.drop(for_good=remedy is not Remedy.RECONNECT)
