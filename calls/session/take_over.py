"""A person takes the agent's place in a call, and returns it.

Pure asyncio. Meanwhile the model hears nothing, is not heard, and runs no tools. If speech recognition is available, it learns afterwards
what was said.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agents.cues import Cue
from agents.providers.base import RealtimeSession
from bubblyphone.core.audio import PCM16_16K, AudioFormat, make_transcoder
from calls.session import model_notices
from calls.session.agent_output import AgentOutput
from calls.session.barge_in import BargeIn
from calls.session.caller_input import CallerInput
from calls.session.conversation_history import ConversationHistory
from calls.session.dead_air import DeadAir
from calls.session.farewell import Farewell
from calls.session.interfaces import Observer
from calls.session.model_link import ModelLink
from calls.session.speech_times import BothSides
from calls.session.transfer_state import TransferState
from calls.session.who_answered import Answering

# A microphone sends continuously. If nothing arrives for this long, nobody is there.
LOST_SECONDS = 4.0
LOOK_SECONDS = 0.5
# The maximum wait for the last words.
WORDS_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Person:
    """A person on a call's page. `id` is their connection, `name` the account user's."""

    id: str
    name: str


class LineTranscriber(Protocol):
    """Transcribes one side."""

    def take(self, payload: str) -> None:
        """The next piece of audio."""

    async def close(self, within_seconds: float) -> None:
        """No more audio follows; returning may take until the last words are recognized."""


# Makes a transcriber for audio in a format, with a callback for each sentence; None if speech recognition is unavailable.
MakeLineTranscriber = Callable[[AudioFormat, Callable[[str], None]], LineTranscriber | None]
Transcribers = tuple[LineTranscriber | None, LineTranscriber | None]  # of the caller, of the person


@dataclass(kw_only=True, eq=False, repr=False)
class TakeOver:
    """Who has the call instead of its agent, if anyone."""

    audio_format: AudioFormat
    agent_output: AgentOutput
    caller_input: CallerInput
    barge_in: BargeIn
    dead_air: DeadAir
    conversation: ConversationHistory
    link: ModelLink
    spoken: BothSides
    transfer: TransferState
    answering: Answering
    farewell: Farewell
    observer: Observer
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.make_line_transcriber: MakeLineTranscriber = lambda audio_format, said: None
        # Called with the person who had the call, and the reason for the end; returns immediately.
        self.has_ended: Callable[[Person, str], None] = lambda person, reason: None
        self._to_caller: Callable[[str], str] | None = None
        self._began_at = self._heard_at = 0.0
        self._transcribers: Transcribers = (None, None)
        self._said: list[str] = []
        self._untold = ""  # said while no model was connected
        self._is_ending, self._over = False, asyncio.Event()
        self._over.set()
        self.person: Person | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """Whether a person has the call."""
        return self.person is not None

    def refusal(self, person: Person) -> str:
        """Why this person cannot take over now; "" if they can."""
        if self.person is not None and self.person.id != person.id:
            return f"{self.person.name} has taken over this call."
        if self.transfer.leaves_agent:
            return "The call is being transferred."
        if self.answering.is_machine:
            return "No person has answered this call yet."
        return ""

    async def begin(self, person: Person) -> str:
        """Put a person in the agent's place; the agent's answer is cut as if the caller had interrupted it.

        Returns why this is not possible, or "".
        """
        if (refusal := self.refusal(person)) or self.is_on:
            return refusal
        self.person, self._is_ending, self._said = person, False, []
        self._over.clear()
        self._began_at = self._heard_at = self.now()
        self._to_caller = make_transcoder(PCM16_16K, self.audio_format)
        self.observer.event("takeover.started", {"by": person.name}, source="api")
        self.farewell.withdraw()
        self.agent_output.is_taken = True
        self.caller_input.give_elsewhere(self._caller_heard)
        await self.barge_in.make_way()
        if self.person is not person:
            return "This call has ended."
        self.spoken.agent_is("human")
        self._agent_is_not_expected()
        self._transcribers = (
            self.make_line_transcriber(self.audio_format, self._caller_said),
            self.make_line_transcriber(PCM16_16K, self._person_said),
        )
        self.task = asyncio.create_task(self._watch_person())
        return ""

    def _agent_is_not_expected(self) -> None:
        self.caller_input.vad.forget()
        self.dead_air.nothing_due()

    def _caller_heard(self, payload: str) -> None:
        """The caller's next piece of audio, which the model must not hear."""
        if transcriber := self._transcribers[0]:
            transcriber.take(payload)

    async def hear(self, person_id: str, payload: str) -> None:
        """The next piece from the person's microphone: PCM16, 16 kHz."""
        if self.person is None or self.person.id != person_id or self._is_ending:
            return
        self._heard_at = self.now()
        if transcriber := self._transcribers[1]:
            transcriber.take(payload)
        if not self.transfer.is_ringing:
            await self.agent_output.relay(self._to_caller(payload) if self._to_caller else payload)

    async def end(self, person_id: str, reason: str) -> bool:
        """Return the call to the agent, which continues from what was said. False if this person does not have it."""
        if self.person is None or self.person.id != person_id or self._is_ending:
            return False
        self._is_ending = True
        self.caller_input.give_elsewhere(self.caller_input.hold_back)
        await self.finish()
        if self.person is None:  # the call has ended meanwhile
            return True
        self.leave(reason)
        self._agent_is_not_expected()
        notice = model_notices.given_back(self._said)
        if self.transfer.is_ringing:
            is_told = await self.link.tell(lambda session: session.send_notice(notice))
        else:
            self.dead_air.expect(self.now())
            is_told = await self.link.tell(lambda session: session.advise(notice, Cue.CALL_GIVEN_BACK))
        self._untold = "" if is_told else notice
        return True

    async def brief(self, session: RealtimeSession) -> None:
        """A model session has started, with a history that may be older than the return of the call."""
        notice, self._untold = self._untold, ""
        if notice:
            await session.send_notice(notice)

    async def wait_until_over(self) -> None:
        """Wait until the agent has the call."""
        await self._over.wait()

    def leave(self, reason: str) -> None:
        """The person no longer has the call, for example because it is over."""
        person, self.person = self.person, None
        if person is None:
            return
        seconds = round(self.now() - self._began_at)
        self.observer.event("takeover.ended", {"by": person.name, "reason": reason, "seconds": seconds}, source="api")
        self.spoken.agent_is("model")
        self.agent_output.is_taken = False
        self.caller_input.give_elsewhere(None)
        self._over.set()
        self.has_ended(person, reason)

    async def finish(self) -> None:
        """Transcribe the last words."""
        transcribers, self._transcribers = self._transcribers, (None, None)
        await asyncio.gather(
            *(transcriber.close(WORDS_SECONDS) for transcriber in transcribers if transcriber is not None)
        )

    def _caller_said(self, text: str) -> None:
        self._said.append(f"Caller: {text}")
        self.conversation.caller_said(text)

    def _person_said(self, text: str) -> None:
        self._said.append(f"Colleague: {text}")
        self.conversation.person_said(text)

    async def _watch_person(self) -> None:
        """The browser may vanish without notice."""
        person = self.person
        while person is not None and self.person is person:
            await asyncio.sleep(LOOK_SECONDS)
            if self.person is person and self.now() - self._heard_at >= LOST_SECONDS:
                await self.end(person.id, "connection_lost")
                return
