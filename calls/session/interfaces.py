"""The interfaces that a live session is given: whom it notifies, whom it asks, and its limits. No database, no framework."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agents.providers.base import RealtimeModel, SessionConfig
from calls.session.turn_clock import TurnTimes

# A session that ends without ending the call: another session has it, or is about to.
LEFT = "left"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which we end a call."""

    max_duration: float
    silence: float
    asks: bool = False  # the agent asks once whether anyone is there, after two thirds of it


class Observer(Protocol):
    """Is notified of everything in a session. No method may block or raise."""

    def event(
        self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming"
    ) -> None: ...

    def transcript(
        self, role: str, text: str, *, item_id: str = "", interrupted_at_ms: int | None = None, commentary: bool = False
    ) -> None: ...

    def interrupted(self, item_id: str, heard_ms: int, share: float) -> None:
        """The caller spoke over an answer, whose text may already be reported; this share of it, 0 to 1, was spoken."""

    def turn(self, times: TurnTimes, seconds_ago: float) -> None:
        """How long the caller waited for an answer, and when it was heard."""

    def spoke(self, role: str, began_ago: float, ended_ago: float) -> None:
        """When a side (`user`, `model`) was heard, in seconds before now."""

    def model_spoke(self) -> None:
        """The caller hears the model for the first time in this session."""

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None: ...


class ToolRunner(Protocol):
    """Runs the developer's tools; never raises, because an error is a result that the model can read."""

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        """`call_id` is the model's id of this tool call."""


class LateResults(Protocol):
    """Delivers a tool result to the session that has taken over the call; False if there is none."""

    async def __call__(self, name: str, result: Mapping[str, Any]) -> bool: ...


class TransferRequester(Protocol):
    """Requests a transfer; returns why it is not possible, or "" once the other leg is being called."""

    async def __call__(self, arguments: Mapping[str, Any], may_call: Callable[[], bool]) -> str:
        """Where to may take a while to find out. `may_call` says just before someone is called whether that is still wanted."""


class FallbackTts(Protocol):
    """Says a text without the model: pieces of audio in the caller's format, or none if someone else says it meanwhile."""

    def __call__(self, text: str) -> AsyncIterator[str]: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A model and its session settings."""

    model: RealtimeModel
    config: SessionConfig
