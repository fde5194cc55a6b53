"""Orders a session's reports: after a line is closed, nothing more happens on it."""

from collections.abc import Mapping
from typing import Any

from calls.session.interfaces import Observer

# A request to a developer's server outlives the session that made it.
AFTER_CLOSING = frozenset({"tool.returned", "tool.abandoned"})


class ObserverUntilEnd:
    """Passes reports of a session's parts to `observer`.

    Code that awaits something may not know that the line was closed meanwhile. What it then reports did not happen for the caller: only
    tool results follow `stream.disconnected`, and no model is heard after it.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._is_closed = False
        # Speech before the end may be recognized after it.
        self.transcript = observer.transcript
        self.interrupted = observer.interrupted
        self.turn = observer.turn
        self.spoke = observer.spoke
        self.tool_called = observer.tool_called

    def close(self) -> None:
        """The line is closed."""
        self.event("stream.disconnected")
        self._is_closed = True

    def event(self, event_type: str, metadata: Mapping[str, Any] | None = None, *, source: str = "streaming") -> None:
        if not self._is_closed or event_type in AFTER_CLOSING:
            self._observer.event(event_type, metadata, source=source)

    def model_spoke(self) -> None:
        if not self._is_closed:
            self._observer.model_spoke()
