"""Traces for OpenTelemetry: the work for one call, across all processes.

Everything about a call is one trace. Its id follows from the call's id, so processes do not pass or store it. A request or job may only
find out while it runs which call it is about (`about_call`): its span is created then, or at its end.

Tracing is on if OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise this module does nothing. `bubblyphone.core.monitoring.otel` uses the SDK.
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
    """An operation with a duration. This class records nothing; `bubblyphone.core.monitoring.otel` has the one that does."""

    name = ""

    def about(self, call_id: int) -> None:
        """Assign the span to a call. Only the first call counts."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def end(self, error: str = "") -> None:
        """End the span; `error` says why it failed. A second call does nothing."""


_NOTHING = Span()
_current: ContextVar[Span | None] = ContextVar("span", default=None)


@cache
def _otel(endpoint: str) -> Any:
    """The module that uses the SDK; None if the SDK is not installed."""
    try:
        return import_module("bubblyphone.core.monitoring.otel")
    except ImportError as error:
        logger.warning("No traces are sent to %s: install requirements/otel.txt (%s).", endpoint, error)
        return None


def _sdk() -> Any:
    """The module that uses the SDK; None if traces are off."""
    endpoint = next(filter(None, map(os.environ.get, ENDPOINTS)), "")
    return _otel(endpoint) if endpoint else None


def begin(name: str, kind: Kind = INTERNAL, attributes: Attributes | None = None, *, sent_parent: str = "") -> Span:
    """Start a child of the current span. `sent_parent`: the `traceparent` header of the request (W3C Trace Context)."""
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
    """Like `begin`, for the duration of the block, in which it is the current span."""
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
    """Make it the current span until the context ends, for code that cannot use a block."""
    _current.set(opened)


def current() -> Span:
    return _current.get() or _NOTHING


def about_call(call_id: int) -> None:
    """Assign the current span to a call."""
    current().about(call_id)


def call_ended(call_id: int, began_at: datetime, ended_at: datetime, attributes: Attributes) -> None:
    """Record the span of a whole call, which is the parent of all others of its trace."""
    sdk = _sdk()
    if sdk is not None:
        sdk.record_call(call_id, began_at, ended_at, attributes)
