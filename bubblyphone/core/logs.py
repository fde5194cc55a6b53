"""What is worth a line in the log."""

import logging

from django.core.exceptions import RequestAborted


class WorthALine(logging.Filter):
    """Drops what tells of no trouble.

    That is Django's report of every 503 of /readyz (whoever asks is told, and asks again), and asyncio's of a client that went away
    in the moment in which it was answered: Django has left that task alone by then.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(getattr(record, "request", None), "path", "") == "/readyz":
            return False
        return not (record.name == "asyncio" and record.exc_info and isinstance(record.exc_info[1], RequestAborted))
