"""Hooks for schemathesis, and a record of errors within it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.cli import EventHandler, handler
from schemathesis.engine import Status, events
from schemathesis.engine.run.stateful.context import StatefulContext

from tests.schema import ERRORS_FILE, OWN_KEY_ID


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Skip the API key that the run itself uses.

    The run finds its ID in the list of keys. If it deleted or capped the key, all later requests would be refused and prove nothing.
    """
    return str((case.path_parameters or {}).get("id")) != str(OWN_KEY_ID)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Convert header values to text. A value taken from a response may be a number, which no client can send as a header.

    Not in map_headers, because links and the pool of observed values set headers after the mapping.
    """
    for headers in (case.headers, kwargs.get("headers")):
        for name, value in list((headers or {}).items()):
            if not isinstance(value, str | bytes):
                headers[name] = str(value)


_step_errors: list[str] = []
_step_errored = StatefulContext.step_errored


def _note_error(self: StatefulContext) -> None:
    """Sequences swallow the errors of their steps and only keep the status."""
    _step_errors.append(repr(sys.exc_info()[1]))
    _step_errored(self)


StatefulContext.step_errored = _note_error  # type: ignore[method-assign]


@handler()
class ErrorsOfScenarios(EventHandler):  # type: ignore[type-arg]
    """Collects each scenario that ended with an error, in any phase."""

    def __init__(self, *args: Any, **params: Any) -> None:
        self._found: list[str] = []

    def handle_event(self, ctx: Any, event: events.EngineEvent) -> None:
        if isinstance(event, events.ScenarioFinished) and event.status is Status.ERROR:
            self._found.append(f"{event.phase.value}: {event.recorder.label}")

    def shutdown(self, ctx: Any) -> None:
        if name := os.environ.get(ERRORS_FILE):
            Path(name).write_text(json.dumps(self._found + _step_errors))
