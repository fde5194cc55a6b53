"""Shared by spoken and written conversations: the successive connections to a model, and the cause of the end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from agents.providers.base import ProviderError, RealtimeSession
from agents.providers.model_events import ModelEvent
from calls.session.model_link import ModelLink
from calls.session.observer_until_end import ObserverUntilEnd


class ModelConversation(ABC):
    """Reads a model's events until no model is left, or someone ends the conversation."""

    def __init__(self, link: ModelLink, observer: ObserverUntilEnd) -> None:
        self.link = link
        self._observer = observer
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._is_over = False  # only the caller's last words still count

    def end(self, cause: str) -> None:
        """End the conversation now. The first cause counts."""
        if not self._end.done():
            self._end.set_result(cause)

    @property
    def _cause(self) -> str:
        """Why the conversation was ended; "" while it continues."""
        return self._end.result() if self._end.done() else ""

    async def inject_context(self, message: str, *, by: str = "") -> bool:
        """Send the model context; False if no session can receive it, or the conversation is over."""
        if is_taken := not self._is_over and await self.link.tell(lambda session: session.send_context(message)):
            self.link.note(message)
            self._observer.event("context.injected", {"by": by} if by else {}, source="api")
        return is_taken

    async def speak(self, text: str) -> bool:
        """Have the model say, or write, a text of the developer's; False as above."""
        return not self._is_over and await self.link.tell(lambda session: session.say(text))

    async def whisper(self, text: str, *, by: str) -> bool:
        """Send the model an instruction from someone who follows the call, which it follows immediately if nobody speaks; False as
        above.
        """
        if self._is_over:
            return False
        at_once = self._may_answer_now
        if is_taken := await self.link.tell(lambda session: session.follow(text, at_once=at_once)):
            self.link.note(text)
            self._observer.event("whisper.sent", {"by": by, "text": text}, source="api")
        return is_taken

    @property
    def _may_answer_now(self) -> bool:
        """Whether the model may speak without being spoken to."""
        return False

    async def late_result(self, tool: str, result: Mapping[str, Any]) -> bool:
        """Send the model the result of a tool that a previous session of this call had started; False as above."""
        return not self._is_over and await self.link.tell(lambda to: to.send_late_result(tool, result, is_last=True))

    async def _wait_for_end(self, tasks: Sequence[asyncio.Future[None]]) -> str:
        """Wait until `end` is called, or one of the tasks finishes: then the cause is ""."""
        waited: list[asyncio.Future[Any]] = [*tasks, self._end]
        done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for task in done.intersection(tasks):
            task.result()  # a bug is raised here, not lost
        return self._cause

    async def _converse(self) -> None:
        while not self._is_over and (session := await self.link.connect()) is not None:
            try:
                await self._begin(session)
                async for event in session.events():
                    await self._handle(session, event)
            except ProviderError as error:
                await self.link.lost(session, error)
            finally:
                await session.close()
        if not self._is_over:
            await self._give_up()

    @abstractmethod
    async def _begin(self, session: RealtimeSession) -> None:
        """A model session has started: the first one, or one that continues the conversation."""

    @abstractmethod
    async def _handle(self, session: RealtimeSession, event: ModelEvent) -> None: ...

    @abstractmethod
    async def _give_up(self) -> None:
        """No model is available."""
