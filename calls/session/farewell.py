"""How an agent ends a conversation: its last words are heard before the line is cut or someone else takes over."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from agents.providers.base import ProviderError, RealtimeSession
from agents.providers.model_events import ToolCall
from calls.session import model_notices
from calls.session.agent_output import AgentOutput
from calls.session.transfer_state import TransferState
from calls.session.who_answered import Answering

# The maximum time for a goodbye before the line is cut.
FAREWELL_SECONDS = 15.0
# The maximum time for the fallback voice to start, on an overloaded machine.
APOLOGY_SECONDS = 4.0
# The last words may arrive after the call of the tool that ends the conversation.
LAST_WORDS_SECONDS = 0.3


class Farewell:
    """The tools that end a conversation, and its end if no model is available; `end` ends the call."""

    def __init__(
        self,
        agent_output: AgentOutput,
        transfer: TransferState,
        answering: Answering,
        end: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent_output = agent_output
        self._transfer = transfer
        self._answering = answering
        self._end = end
        self._now = now
        self.has_begun = False  # the model has hung up: its goodbye cannot be interrupted
        self.has_given_up = False  # no model is available
        self._withdrawals = 0

    async def hang_up(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants to hang up. If a machine answered, the call ends with its message."""
        if self._answering.is_machine:
            return
        self.has_begun, withdrawals = True, self._withdrawals
        await asyncio.sleep(LAST_WORDS_SECONDS)
        await self._agent_output.wait_for_silence(self._now() + FAREWELL_SECONDS)
        if withdrawals == self._withdrawals:
            self._end("normal_clearing")
        else:
            await self._deny(session, call)

    def withdraw(self) -> None:
        """A person takes the agent's place: a hangup or transfer that it has started is withdrawn."""
        self.has_begun = False
        self._withdrawals += 1
        self._transfer.withdraw()

    async def _deny(self, session: RealtimeSession, call: ToolCall) -> None:
        with contextlib.suppress(ProviderError):
            await session.send_tool_result(call.call_id, call.name, {"error": model_notices.TAKEN_OVER})

    async def hand_over(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants to transfer the call."""
        withdrawals = self._withdrawals
        await asyncio.sleep(LAST_WORDS_SECONDS)
        await self._agent_output.wait_for_silence(self._now() + FAREWELL_SECONDS)
        if withdrawals == self._withdrawals:
            await self._transfer.ask(session, call)
        else:
            await self._deny(session, call)

    async def end_when_quiet(self, cause: str, within_seconds: float) -> None:
        """Let pending audio play, then end."""
        await self._agent_output.wait_for_silence(self._now() + within_seconds)
        self._end(cause)

    async def give_up(self, ended: asyncio.Future[str]) -> bool:
        """No model is available: say so, and transfer the caller to a person if possible, until the call has `ended`.

        False if it has not, because a person took the agent's place meanwhile.
        """
        self.has_given_up, withdrawals = True, self._withdrawals
        if self._answering.is_machine:
            self._end("model_failed")
        if not ended.done() and not self._transfer.is_ringing:
            await self._apologize()
            if withdrawals != self._withdrawals:
                return False
            if not await self._transfer.request({"reason": "technical trouble"}):
                await asyncio.shield(ended)
            elif withdrawals != self._withdrawals:
                return False
        self._end("model_failed")
        return True

    async def _apologize(self) -> None:
        """Say with the fallback voice, if there is one, that no model is available."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(APOLOGY_SECONDS):
                await self._agent_output.say_ourselves(model_notices.APOLOGY)
        await self._agent_output.wait_for_silence(self._now() + APOLOGY_SECONDS)
