"""A phone that asks who is calling before its owner picks up: say it once, wait in silence, greet the person who joins. Pure asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from agents.cues import introduce
from agents.providers.base import RealtimeSession
from calls.session.agent_output import AgentOutput
from calls.session.caller_input import CallerInput
from calls.session.model_link import ModelLink
from calls.session.screening_transcriber import ScreeningTranscriber
from calls.session.screening_words import Speaker, asks_who_calls, speaker_of
from calls.session.voicemail import Voicemail
from calls.session.who_answered import Answering

# How long the owner may take to decide, after our last word.
DECISION_SECONDS = 30.0
# The maximum time for the message.
MESSAGE_SECONDS = 30.0
POLL_SECONDS = 0.05

Overheard = Literal["screening", "person", "machine"]


@dataclass(frozen=True, slots=True)
class ScreeningPlan:
    """The answer to a phone that asks: word for word or, with `is_ours`, in the agent's language.

    `report` handles what is heard on a line whose carrier does not report screening, in which case `begin` and `person` follow; None if
    the carrier does.
    """

    message: str = ""
    is_ours: bool = False
    report: Callable[[Overheard], Awaitable[None]] | None = None


NOT_SCREENED = ScreeningPlan()


@dataclass(kw_only=True, eq=False, repr=False)
class Screening:
    """While screening is on, the model hears nothing and only its message is heard. `greet` is called when a person joins."""

    plan: ScreeningPlan
    caller_input: CallerInput
    answering: Answering
    voicemail: Voicemail
    agent_output: AgentOutput
    link: ModelLink
    greet: Callable[[], Awaitable[None]]
    end: Callable[[str], None]
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._before = ""  # the answer in progress when the phone asked
        self._item_id = ""  # the message, once part of it was heard
        self._is_asked = False
        self._is_spoken = asyncio.Event()
        self._words = ""  # since the answer
        self.is_on = False
        self._transcriber = (
            ScreeningTranscriber(self.link.first_engine, self.caller_input.audio_format, self._overhear)
            if self.plan.report
            else None
        )
        self.caller_input.transcriber = self._transcriber
        if self._transcriber is not None:
            self.voicemail.is_in_doubt, self.voicemail.records = self._is_in_doubt, self._transcriber.close
        self.has_begun = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def tasks(self) -> list[asyncio.Task[None] | None]:
        """Tasks to cancel at the end."""
        return [self.task, self._transcriber.task if self._transcriber else None]

    def listen(self) -> None:
        """The carrier reports a machine. If it would not report screening, the machine's words are checked."""
        if self._transcriber is not None:
            self._transcriber.listen()

    def _is_in_doubt(self) -> bool:
        """Whether the words so far may ask who is calling."""
        return self._transcriber is not None and (self._transcriber.owes_words or asks_who_calls(self._words))

    async def _overhear(self, words: str) -> None:
        assert self.plan.report is not None
        if self.task is None:
            self._words = f"{self._words} {words}"
            if asks_who_calls(self._words):
                await self.plan.report("screening")
        elif self._is_spoken.is_set() and (speaker := speaker_of(words)) is not Speaker.PHONE:
            await self.plan.report("person" if speaker is Speaker.PERSON else "machine")

    async def begin(self, *, says_who: bool = True) -> None:
        """The carrier reports a phone that asks. `says_who`: nobody has told it yet."""
        if self.task is not None:
            return
        self.is_on = True
        self.has_begun.set()
        self.voicemail.stop()
        self.answering.machine()
        self._before = self.agent_output.item_id
        await self.agent_output.fall_silent()
        self.task = asyncio.create_task(self._wait(says_who=says_who))

    def takes(self, item_id: str) -> bool:
        """Whether a piece of this answer should be played."""
        if not self._is_asked or self._is_spoken.is_set() or item_id == self._before:
            return False
        self._item_id = self._item_id or item_id
        return item_id == self._item_id

    def turn_done(self) -> None:
        """The model has finished an answer."""
        if self._item_id:
            self._is_spoken.set()

    async def person(self) -> None:
        """The owner has picked up."""
        if self._transcriber is not None:
            self._transcriber.close()
        if not self.is_on:
            return
        self.is_on = False
        if self.task is not None:
            self.task.cancel()
        self.answering.is_machine = False
        await self.agent_output.fall_silent()
        await self.greet()

    async def _wait(self, *, says_who: bool) -> None:
        if says_who:
            await self._say_who()
        self._is_spoken.set()
        await asyncio.sleep(DECISION_SECONDS)
        self.end("normal_clearing")

    async def _say_who(self) -> None:
        """Say it once; again if the model is lost in the middle of it."""
        give_up_at = self.now() + MESSAGE_SECONDS
        asked: RealtimeSession | None = None
        while self.now() < give_up_at and not (self._is_spoken.is_set() and not self.agent_output.is_on):
            if self.link.session not in {None, asked} and not self._is_spoken.is_set():
                asked, self._item_id, self._is_asked = self.link.session, "", True
                await self.link.tell(self._tell_message)
            await asyncio.sleep(POLL_SECONDS)

    async def _tell_message(self, session: RealtimeSession) -> None:
        if self.plan.is_ours:
            await session.generate_reply(introduce(self.plan.message))
        else:
            await session.say(self.plan.message)
