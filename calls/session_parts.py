"""What a live session is handed: whom it tells, whom it asks, how long it may last. No database, no framework."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a call is ended by us."""

    max_duration: float
    silence: float


class Observer(Protocol):
    """Who wants to know. No method may block or raise."""

    def event(
        self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming"
    ) -> None: ...

    def transcript(self, role: str, text: str, *, item_id: str = "", interrupted: bool = False) -> None: ...

    def interrupted(self, item_id: str) -> None:
        """The caller spoke over an answer whose text was reported already."""

    def tool_called(self, tool: str, arguments: Mapping[str, Any]) -> None: ...


class ToolRunner(Protocol):
    """Runs the developer's tools; never raises, an error is a result that the model can read."""

    async def __call__(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]: ...


class TransferRequester(Protocol):
    """Asks for the call to be handed over; returns why that cannot be, or "" when the other leg is being called."""

    async def __call__(self, arguments: Mapping[str, Any]) -> str: ...
