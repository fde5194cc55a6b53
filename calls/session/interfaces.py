"""What a live session is handed: whom it tells, whom it asks, how long it may last. No database, no framework."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agents.providers.base import RealtimeModel, SessionConfig
from calls.session.turn_clock import TurnTimes

# A session's end that is not the call's: another session has it, or is about to.
LEFT = "left"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a call is ended by us."""

    max_duration: float
    silence: float
    asks: bool = False  # the agent asks once whether anybody is there, after two thirds of it


class Observer(Protocol):
    """Who wants to know. No method may block or raise."""

    def event(
        self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming"
    ) -> None: ...

    def transcript(
        self, role: str, text: str, *, item_id: str = "", interrupted_at_ms: int | None = None, commentary: bool = False
    ) -> None: ...

    def interrupted(self, item_id: str, heard_ms: int, share: float) -> None:
        """The caller spoke over an answer, whose text may be reported already; that share of it, 0 to 1, was spoken."""

    def turn(self, times: TurnTimes, seconds_ago: float) -> None:
        """How long the caller waited for an answer, and when it was heard."""

    def spoke(self, role: str, began_ago: float, ended_ago: float) -> None:
        """From when to when a side (`user`, `model`) was heard, in seconds before now."""

    def model_spoke(self) -> None:
        """The caller hears the model for the first time in this session."""

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None: ...


class ToolRunner(Protocol):
    """Runs the developer's tools; never raises, an error is a result that the model can read."""

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        """`call_id` is the model's name of this call of the tool."""


class LateResults(Protocol):
    """Hands the result of a tool to the session that has taken over the call; False when there is none to take it."""

    async def __call__(self, name: str, result: Mapping[str, Any]) -> bool: ...


class TransferRequester(Protocol):
    """Asks for the call to be handed over; returns why that cannot be, or "" when the other leg is being called."""

    async def __call__(self, arguments: Mapping[str, Any], may_call: Callable[[], bool]) -> str:
        """Where to may take a while to find out. `may_call` says just before somebody is called whether that is still wanted."""


class FallbackTts(Protocol):
    """Says a text without the model: pieces of audio in the caller's format, or none where somebody else says it meanwhile."""

    def __call__(self, text: str) -> AsyncIterator[str]: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A model with the settings of its sessions."""

    model: RealtimeModel
    config: SessionConfig
