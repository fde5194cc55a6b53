"""The log, and what is worth a line in it."""

import logging
from typing import Any

from django.core.exceptions import RequestAborted


class WorthALine(logging.Filter):
    """Drops records that indicate no problem.

    That is Django's report of every 503 of /readyz (whoever asks is told, and asks again), and asyncio's of a client that went away
    in the moment in which it was answered: Django has left that task alone by then.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(getattr(record, "request", None), "path", "") == "/readyz":
            return False
        return not (record.name == "asyncio" and record.exc_info and isinstance(record.exc_info[1], RequestAborted))


def logging_settings(level: str) -> dict[str, Any]:
    """settings.LOGGING: everything from `level` on goes to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "filters": {"worth_a_line": {"()": WorthALine}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["worth_a_line"]}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.channels.server": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
            "psycopg.pool": {"level": "WARNING"},
            "django-q": {"level": "WARNING"},
            # Their info lines tell of every endpoint and connection; serve.py says where we listen.
            "daphne": {"level": "WARNING"},
            "picows": {"level": "WARNING"},
        },
    }
