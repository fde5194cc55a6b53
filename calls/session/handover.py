"""A live session's part in a transfer: the model asks for it, is out of it while it rings, and is told when nobody was reached."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agents.cues import Cue
from agents.providers.base import RealtimeSession
from agents.providers.events import ToolCall
from calls.session import wording
from calls.session.parts import TransferRequester

Tell = Callable[[Callable[[RealtimeSession], Awaitable[None]]], Awaitable[bool]]
Deliver = Callable[[RealtimeSession, ToolCall, Mapping[str, Any]], Awaitable[None]]


class Handover:
    """`tell` gives the model an order and says whether it took it; `deliver` answers its tool calls."""

    def __init__(self, request: TransferRequester | None, tell: Tell, deliver: Deliver) -> None:
        self._request = request
        self._tell = tell
        self._deliver = deliver
        self._call: ToolCall | None = None  # the model's own, which is answered only when nobody could be reached
        self.is_ringing = False  # for the caller, who hears nothing else
        self.is_under_way = False

    async def request(self, arguments: Mapping[str, Any]) -> str:
        """Have somebody called. Returns why that cannot be, or ""."""
        return await self._request(arguments) if self._request else "This call cannot be handed over."

    async def ask(self, session: RealtimeSession, call: ToolCall) -> None:
        """The model wants somebody else to take over."""
        self._call = call
        if error := await self.request(call.arguments):
            self._call = None
            await self._deliver(session, call, {"error": error})

    def begun(self) -> None:
        """Somebody else is being called: from now on the caller hears the ringing, and the model nothing."""
        self.is_ringing = self.is_under_way = True

    async def stay_meanwhile(self) -> None:
        """Somebody else is being called and will be briefed first: until then the model stays with the caller."""
        call, self._call = self._call, None
        self.is_under_way = True
        if call is not None:
            await self._tell(
                lambda session: session.send_tool_result(call.call_id, call.name, {"result": wording.STAY_MEANWHILE})
            )

    async def failed(self, reason: str) -> None:
        """Nobody could be reached: the caller is the model's again, which is told why."""
        call, self._call = self._call, None
        self.is_ringing = self.is_under_way = False
        why = wording.not_handed_over(reason)
        if call is not None:
            await self._tell(lambda session: session.send_tool_result(call.call_id, call.name, {"error": why}))
        elif await self._tell(lambda session: session.send_notice(why)):
            await self._tell(lambda session: session.generate_reply(Cue.OFFER_TO_GO_ON))
