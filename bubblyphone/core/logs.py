"""What is worth a line in the log."""

import logging


class NotAboutReadiness(logging.Filter):
    """Drops Django's report of every 503 of /readyz: whoever asks is told, and asks again."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        return getattr(request, "path", "") != "/readyz"
