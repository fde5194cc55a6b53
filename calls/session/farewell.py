"""How an agent takes leave of the caller: what it has said is heard before the line is cut or somebody else takes over."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from agents.providers.base import RealtimeSession
from agents.providers.model_events import ToolCall
from calls.session import model_notices
from calls.session.agent_output import AgentOutput
from calls.session.answering import Answering
from calls.session.transfer_state import TransferState

# The longest that a goodbye may take before the line is cut.
FAREWELL_SECONDS = 15.0
# The longest that our own voice may take to begin, on a machine that is short of everything.
APOLOGY_SECONDS = 4.0
# The last words may come after the call of the tool that ends the conversation.
LAST_WORDS_SECONDS = 0.3


class Farewell:
    """The tools that end a conversation; `end` ends the call."""

    def __init__(
        self,
        speaking: AgentOutput,
        handover: TransferState,
        answering: Answering,
        end: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speaking = speaking
        self._handover = handover
        self._answering = answering
        self._end = end
        self._now = now
        self.has_begun = False  # the model has hung up: nothing interrupts its goodbye

    async def hang_up(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants to hang up. A mailbox's call ends with its message."""
        if self._answering.is_machine:
            return
        self.has_begun = True
        await asyncio.sleep(LAST_WORDS_SECONDS)
        await self.end_when_quiet("normal_clearing", FAREWELL_SECONDS)

    async def hand_over(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants somebody else to take over: they are called."""
        await asyncio.sleep(LAST_WORDS_SECONDS)
        await self._speaking.wait_for_silence(self._now() + FAREWELL_SECONDS)
        await self._handover.ask(session, call)

    async def end_when_quiet(self, cause: str, within_seconds: float) -> None:
        """Let what has been said be heard, then end."""
        await self._speaking.wait_for_silence(self._now() + within_seconds)
        self._end(cause)

    async def apologize(self) -> None:
        """Say in our own voice, where there is one, that no model can be had."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APOLOGY_SECONDS):
                await self._speaking.say_ourselves(model_notices.APOLOGY)
        await self._speaking.wait_for_silence(self._now() + APOLOGY_SECONDS)
