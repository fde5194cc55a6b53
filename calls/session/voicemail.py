"""Voicemail: wait for the end of the greeting, leave one message, end the call. Pure asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.cues import Cue
from calls.session.agent_output import AgentOutput
from calls.session.dead_air import DeadAir
from calls.session.interfaces import Observer
from calls.session.model_link import ModelLink
from calls.session.voice_activity import VoiceActivityDetector
from calls.session.who_answered import Answering

# The maximum wait for the end of a greeting.
GREETING_SECONDS = 60.0
# A line that is silent for this long has no more greeting, whether or not the carrier has reported its end.
SILENCE_SECONDS = 4.0
# If it is unclear whether this is a mailbox at all, while the last words on the line are not recognized.
DOUBT_SECONDS = 10.0
POLL_SECONDS = 0.05
# The maximum time for a message, from our request to its last word on the line.
MESSAGE_SECONDS = 120.0


@dataclass(kw_only=True, eq=False, repr=False)
class Voicemail:
    """Leaves one message, in the voice of the model behind `link`.

    `drop` drops pending audio, `end` ends the call. The machine records from the end of its greeting, so only answers that start after it
    are played, and only an answer that was played to its end counts as a message (`voicemail.message_left`). Without
    `leaves_message`, the call ends with the greeting.
    """

    answering: Answering
    agent_output: AgentOutput
    vad: VoiceActivityDetector
    link: ModelLink
    drop: Callable[[], Awaitable[None]]
    dead_air: DeadAir
    end: Callable[[str], None]
    observer: Observer
    leaves_message: bool = True
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._quiet_since = self.now()
        self._too_early: set[str] = set()  # answers that started before the recording
        self._item_id = ""  # the message, once part of it was heard
        self._is_spoken = asyncio.Event()  # the model has nothing to add to the message
        self.is_recording = False
        self.is_in_doubt: Callable[[], bool] = lambda: False  # whether the other end may not be a mailbox
        self.records: Callable[[], None] = lambda: None  # notified when it is treated as one
        self.task: asyncio.Task[None] | None = None

    @property
    def is_greeting(self) -> bool:
        """Whether a machine answered and is not recording yet: the model neither speaks nor is expected to."""
        return self.answering.is_machine and not self.is_recording

    async def begin(self) -> None:
        """The carrier reports a machine that should get a message: answers meant for a person are dropped."""
        if not self.answering.machine():
            return
        if self.agent_output.is_on:
            self._too_early.add(self.agent_output.item_id)
        await self.drop()
        self.task = asyncio.create_task(self._leave_message())

    def takes(self, item_id: str) -> bool:
        """Whether a piece of this answer should be played."""
        if not self.answering.is_machine:
            return True
        if not self.is_recording:
            self._too_early.add(item_id)
        if item_id in self._too_early:
            return False
        self._item_id = item_id
        return True

    def turn_done(self) -> None:
        """The model has finished an answer. One without sound, such as a tool call, is not a message."""
        if self._item_id:
            self._is_spoken.set()

    def stop(self) -> None:
        """It is not a mailbox after all."""
        if self.task is not None:
            self.task.cancel()
        self.is_recording = False

    async def _leave_message(self) -> None:
        reason = await self._greeting_over()
        if not self.leaves_message:
            self.end("voicemail")
            return
        self.observer.event("voicemail.recording", {"reason": reason}, source="system")
        began_at, self.is_recording = self.now(), True
        self.records()
        is_reported = reason == "greeting_ended"
        await self._ask()
        while not self._is_left():
            if self.now() - began_at >= MESSAGE_SECONDS:
                break
            greeting_ended_at = self.answering.greeting_ended_at
            if not is_reported and greeting_ended_at is not None:
                is_reported = True
                if (
                    greeting_ended_at > began_at
                ):  # the pause was not the end of the greeting: the beginning of the message is lost
                    await self._start_over()
            await asyncio.sleep(POLL_SECONDS)
        else:
            self.observer.event("voicemail.message_left", source="system")
        self.end("normal_clearing")

    def _is_left(self) -> bool:
        return self._is_spoken.is_set() and not self.agent_output.is_on

    async def _ask(self) -> None:
        await self.link.tell_when_connected(lambda session: session.generate_reply(Cue.LEAVE_MESSAGE))
        self.dead_air.expect(self.now())

    async def _start_over(self) -> None:
        if self._item_id:
            self._too_early.add(self._item_id)
        self._item_id = ""
        self._is_spoken.clear()
        await self.drop()
        await self._ask()

    async def _greeting_over(self) -> str:
        """Wait for the end of the greeting; returns why it counts as over."""
        began_at = self.now()
        while True:
            now = self.now()
            if self.answering.greeting_ended_at is not None:
                return "greeting_ended"
            if self.agent_output.is_line_broken:
                self._quiet_since = now
            silent = now - max(self._quiet_since, self.vad.sound_at)
            if silent >= (DOUBT_SECONDS if self.is_in_doubt() else SILENCE_SECONDS):
                return "silence"
            if now - began_at >= GREETING_SECONDS:
                return "timeout"
            await asyncio.sleep(POLL_SECONDS)
