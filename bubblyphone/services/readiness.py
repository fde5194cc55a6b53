"""Waiting for the parts of a start. A slow or busy machine takes minutes, so what still runs is waited for, and the log says for what."""

import http.client
import time

from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.services.console import Console

# A start in which nothing crashes is given up after this long.
LONGEST_START_SECONDS = 600.0
REPORT_SECONDS = 20.0


class Patience:
    """One wait: how long it has lasted, and a line in the log now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._reported_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether it has lasted too long."""
        return time.monotonic() - self._began > LONGEST_START_SECONDS

    def tell(self, missing: str) -> None:
        """Say every twenty seconds what is still `missing`; called repeatedly."""
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            self._console.line("run", f"still waiting for {missing} ({now - self._began:.0f} s)")


def missing_parts(name: str, port: int) -> str:
    """What the /readyz of the process `name` lacks, such as `worker, clock`; its name if it does not answer; empty once it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return "" if response.status == 200 else ", ".join(parse_stored_json(response.read().decode())["missing"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return name
    finally:
        connection.close()
