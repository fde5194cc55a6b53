"""Logging: which records are logged, and the context of every line: request, call, account, and job.

Code that starts work on one of these binds its id with `structlog.contextvars`. Every line it logs then carries the id.
"""

import contextvars
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

R = TypeVar("R")
# Objects that Django and django-q attach to records. The message contains what they say.
_OBJECTS = ("request", "server_time", "taskName", "exc_text")


class DropExpectedErrors(logging.Filter):
    """Drops reports of errors that are no problem.

    These are Django's reports of 503 responses of /readyz, which monitors see and retry, and of requests without a path, with which
    we ask our own views for their methods.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(getattr(record, "request", None), "path", None) not in ("/readyz", "")


def in_context(function: Callable[..., R], *arguments: Any) -> Callable[[], R]:
    """The call `function(*arguments)` for another thread, whose log lines carry the ids that are bound here."""
    return partial(contextvars.copy_context().run, function, *arguments)


def as_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """One line, like `2026-11-30 00:11:12.352Z WARNING calls.control: The message call_id=42`; a traceback follows it."""
    traceback = event.pop("exception", "")
    line = " ".join(str(event.pop(name)) for name in ("timestamp", "level", "logger"))
    line += f": {event.pop('event')}"
    for name, value in sorted(event.items()):
        line += f" {name}={value}"
    return f"{line}\n{traceback}" if traceback else line


def _without_objects(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name in _OBJECTS:
        event.pop(name, None)
    return event


def _upper_level(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = event["level"].upper()
    return event


def formatter(form: str) -> ProcessorFormatter:
    """For `text` or `json`: a line of values for log collectors, with the same names."""
    renderer: Processor = structlog.processors.JSONRenderer(default=str) if form == "json" else as_text
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            ExtraAdder(),
            _without_objects,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            _upper_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S.%fZ" if form == "text" else "iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        processors=[ProcessorFormatter.remove_processors_meta, renderer],
    )


def logging_settings(level: str, form: str) -> dict[str, Any]:
    """settings.LOGGING: everything from `level` up goes to stderr, as `text` or `json`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter, "form": form}},
        "filters": {"drop_expected_errors": {"()": DropExpectedErrors}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["drop_expected_errors"]}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.channels.server": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "picows": {"level": "WARNING"},  # one line per connection and its end
            "stripe": {"level": "WARNING"},
            "psycopg.pool": {"level": "WARNING"},
            "django-q": {"level": "WARNING"},
            # Its info lines tell of every endpoint and connection; serve.py says where we listen.
            "daphne": {"level": "WARNING"},
        },
    }
