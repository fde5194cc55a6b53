"""A phone that asks who is calling before its owner picks up: say it once, wait in silence, greet who joins. Pure asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from calls.session.agent_output import AgentOutput
from calls.session.answering import Answering
from calls.session.model_link import ModelLink
from calls.session.voicemail import Voicemail

# How long the owner may take to decide, from our last word on.
DECISION_SECONDS = 30.0
# The longest that the message may take.
MESSAGE_SECONDS = 30.0
POLL_SECONDS = 0.05


class Screening:
    """While it is on, the model hears nothing and nothing of it is heard but `message`. `greet` is called when a person joins."""

    def __init__(
        self,
        *,
        message: str,
        answering: Answering,
        voicemail: Voicemail,
        agent_output: AgentOutput,
        link: ModelLink,
        greet: Callable[[], Awaitable[None]],
        end: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._message = message
        self._answering = answering
        self._voicemail = voicemail
        self._agent_output = agent_output
        self._link = link
        self._greet = greet
        self._end = end
        self._now = now
        self._before = ""  # the answer that was on its way when the phone asked
        self._item_id = ""  # the message, once some of it has been heard
        self._is_asked = False
        self._is_spoken = asyncio.Event()
        self.is_on = False
        self.has_begun = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def begin(self, *, says_who: bool = True) -> None:
        """The carrier reports that a phone asks. `says_who`: nobody has told it yet."""
        if self.task is not None:
            return
        self.is_on = True
        self.has_begun.set()
        self._voicemail.stop()
        self._answering.machine()
        self._before = self._agent_output.item_id
        await self._agent_output.fall_silent()
        self.task = asyncio.create_task(self._wait(says_who=says_who))

    def takes(self, item_id: str) -> bool:
        """Whether a piece of this answer is to be played."""
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
        if not self.is_on:
            return
        self.is_on = False
        if self.task is not None:
            self.task.cancel()
        self._answering.is_machine = False
        await self._agent_output.fall_silent()
        await self._greet()

    async def _wait(self, *, says_who: bool) -> None:
        if says_who:
            await self._link.tell_when_connected(lambda session: session.say(self._message))
            self._is_asked = True
            give_up_at = self._now() + MESSAGE_SECONDS
            while not (self._is_spoken.is_set() and not self._agent_output.is_on) and self._now() < give_up_at:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        self._is_spoken.set()
        await asyncio.sleep(DECISION_SECONDS)
        self._end("normal_clearing")
