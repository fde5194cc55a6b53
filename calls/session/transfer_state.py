"""A live session's part in a transfer: the model requests it, is disconnected while it rings, and gets a note if nobody was reached."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from agents.cues import Cue
from agents.providers.base import RealtimeSession
from agents.providers.model_events import ToolCall
from calls.session import model_notices
from calls.session.interfaces import TransferRequester

Tell = Callable[[Callable[[RealtimeSession], Awaitable[None]]], Awaitable[bool]]
Answer = Callable[[RealtimeSession, ToolCall, Mapping[str, Any]], Awaitable[bool]]


class TransferState:
    """`tell` sends the model a request, `answer` answers its tool calls; both return whether it received them."""

    def __init__(self, request: TransferRequester | None, tell: Tell, answer: Answer) -> None:
        self._request = request
        self._tell = tell
        self._answer = answer
        # The model's own request, with the session that made it: answered only if nobody could be reached.
        self._asked: tuple[RealtimeSession, ToolCall] | None = None
        self._withdrawals = 0
        self._is_placed = False  # it is certain that someone is called
        self.is_ringing = False  # for the caller, who hears nothing else
        self.is_under_way = False

    @property
    def leaves_agent(self) -> bool:
        """Whether the caller is on the way to someone else, from the moment when that can no longer be withdrawn."""
        return self._is_placed or self.is_ringing

    async def request(self, arguments: Mapping[str, Any]) -> str:
        """Request a transfer. Returns why it is not possible, or ""."""
        if self._request is None:
            return "This call cannot be transferred."
        withdrawals = self._withdrawals

        def may_call() -> bool:
            is_wanted = withdrawals == self._withdrawals
            self._is_placed = self._is_placed or is_wanted
            return is_wanted

        error = None
        try:
            error = await self._request(arguments, may_call)
        finally:
            if error != "":  # or it failed: a transfer that has begun anyway reports that
                self._is_placed = False
        return error

    def withdraw(self) -> None:
        """Do not call a recipient who has not been called yet."""
        self._withdrawals += 1

    def cancel(self, call_ids: Collection[str]) -> None:
        """The model no longer wants these calls of its tools."""
        if self._asked is not None and self._asked[1].call_id in call_ids:
            self.withdraw()

    async def ask(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model requests a transfer."""
        self._asked = session, call
        if error := await self.request(call.arguments):
            self._asked = None
            await self._answer(session, call, {"error": error})

    def begun(self) -> None:
        """The recipient is being called: from now on the caller hears the ringing, and the model nothing."""
        self.is_ringing = self.is_under_way = True
        self._is_placed = False

    async def stay_meanwhile(self) -> None:
        """The recipient is being called and will be briefed first: until then the model stays with the caller."""
        asked, self._asked = self._asked, None
        self.is_under_way, self._is_placed = True, False
        if asked is not None:
            await self._answer(*asked, {"result": model_notices.STAY_MEANWHILE})

    async def failed(self, reason: str) -> None:
        """Nobody could be reached: the caller returns to the model, which gets the reason."""
        asked, self._asked = self._asked, None
        self.is_ringing = self.is_under_way = self._is_placed = False
        why = model_notices.not_handed_over(reason)
        if asked is not None:
            await self._answer(*asked, {"error": why})
        else:
            await self._tell(lambda session: session.advise(why, Cue.OFFER_TO_GO_ON))
