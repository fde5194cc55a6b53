"""Traces for OpenTelemetry: what one call consisted of, in whichever processes it happened.

Everything about a call is one trace. Its id follows from the call's, so nothing has to be passed on or stored. A request or a job
may learn only on its way which call it is about (`about_call`): its span is made then, or at its end.

On when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise everything here does nothing. `bubblyphone.core.otel` has the SDK.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Literal

logger = logging.getLogger(__name__)

Kind = Literal["SERVER", "CLIENT", "CONSUMER", "INTERNAL"]
SERVER: Kind = "SERVER"
CLIENT: Kind = "CLIENT"
CONSUMER: Kind = "CONSUMER"
INTERNAL: Kind = "INTERNAL"
Attributes = Mapping[str, str | int | float | bool]
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Span:
    """Something that takes time. This one is not recorded; those that are come from `bubblyphone.core.otel`."""

    name = ""

    def about(self, call_id: int) -> None:
        """It belongs to this call. The first call that is named counts."""

    def note(self, attributes: Attributes) -> None:
        """Say more about it."""

    def end(self, error: str = "") -> None:
        """It is over; `error` says why it failed. A second end does nothing."""


_NOTHING = Span()
_current: ContextVar[Span | None] = ContextVar("span", default=None)


@cache
def _otel(endpoint: str) -> Any:
    """The module with the SDK; None where that is not installed."""
    try:
        return import_module("bubblyphone.core.otel")
    except ImportError as error:
        logger.warning("No traces are sent to %s: install requirements/otel.txt (%s).", endpoint, error)
        return None


def _sdk() -> Any:
    """None: traces are off."""
    endpoint = next(filter(None, map(os.environ.get, ENDPOINTS)), "")
    return _otel(endpoint) if endpoint else None


def begin(name: str, kind: Kind = INTERNAL, attributes: Attributes | None = None, *, sent_parent: str = "") -> Span:
    """A span within the one at hand. `sent_parent`: the `traceparent` header of the request (W3C Trace Context)."""
    sdk = _sdk()
    if sdk is None:
        return _NOTHING
    span: Span = sdk.OpenSpan(name, kind, attributes or {}, parent=_current.get(), sent_parent=sent_parent)
    return span


@contextmanager
def span(
    name: str,
    kind: Kind = INTERNAL,
    attributes: Attributes | None = None,
    *,
    call_id: int | None = None,
    sent_parent: str = "",
) -> Iterator[Span]:
    """The same while the block runs, for which it is the one at hand."""
    opened = begin(name, kind, attributes, sent_parent=sent_parent)
    if opened is _NOTHING:
        yield opened
        return
    if call_id is not None:
        opened.about(call_id)
    token = _current.set(opened)
    try:
        yield opened
    except Exception as error:
        opened.end(type(error).__name__)
        raise
    finally:
        _current.reset(token)
        opened.end()


def enter(opened: Span) -> None:
    """Make it the one at hand until the context ends, where no block fits around what it is about."""
    _current.set(opened)


def current() -> Span:
    return _current.get() or _NOTHING


def about_call(call_id: int) -> None:
    """What is at hand is about this call."""
    current().about(call_id)


def call_ended(call_id: int, began_at: datetime, ended_at: datetime, attributes: Attributes) -> None:
    """Record the span of a whole call, which is the parent of all others of its trace."""
    sdk = _sdk()
    if sdk is not None:
        sdk.record_call(call_id, began_at, ended_at, attributes)
