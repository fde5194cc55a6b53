"""What a session tells of itself, in an order that makes sense: nothing happens on a line that is closed."""

from collections.abc import Mapping
from typing import Any

from calls.session.interfaces import Observer

# A request to a developer's server outlives the session that made it.
AFTER_CLOSING = frozenset({"tool.returned", "tool.abandoned"})


class ObserverUntilEnd:
    """Passes on what the parts of a session report to `observer`.

    Whatever awaits something may learn only afterwards that the line has been closed meanwhile. What it reports then did not
    happen for the caller: no event follows `stream.disconnected` but how tools ended, and no model is heard after it.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._is_closed = False
        # What was said and heard before the end may be known after it.
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
