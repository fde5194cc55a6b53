"""An embedded service under the supervisor: watched by the orphan reaper from the start, and restarted when it ends."""

import signal
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from bubblyphone.services.console import Console
from bubblyphone.services.embedded import EmbeddedService
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.processes import LONGEST_DELAY_SECONDS, describe_exit
from bubblyphone.services.readiness import Patience


class SupervisedService:
    """One service, its address, and its restarts."""

    def __init__(self, name: str, service: EmbeddedService, reaper: OrphanReaper, console: Console) -> None:
        self.name = name
        self.service = service
        self.reaper = reaper
        self.console = console
        self.url = ""
        self._group: int | None = None
        self._restarts = 0
        self._next_start = 0.0

    def start(self, check: Callable[[], None]) -> None:
        """Start it and wait until it answers. Raises ServiceError, and whatever `check` raises."""
        self._group = self.service.launch()
        if self._group is not None:
            # PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients to disconnect.
            self.reaper.watch(self._group, signal.SIGINT)
        patience = Patience(self.console)

        def wait() -> None:
            check()
            patience.tell(self.name)

        self.url = self.service.wait_until_ready(wait)
        self.console.line(self.name, f"listening on {urlsplit(self.url).netloc.rpartition('@')[2]}")

    def revive(self, check: Callable[[], None]) -> bool:
        """Called repeatedly: restart a service that ended, after 1, 2, 4 … 30 s. Returns True if its address changed."""
        code = self.service.exit_code()
        if code is None and self._group is not None:
            return False
        if self._group is not None:
            self._forget()
            self.console.line("run", f"{self.name} stopped ({describe_exit(code or 0)}). Restarting.")
        if time.monotonic() < self._next_start:
            return False
        before = self.url
        try:
            self.start(check)
        except ServiceError as error:
            delay = min(2.0**self._restarts, LONGEST_DELAY_SECONDS)
            self._restarts += 1
            self._next_start = time.monotonic() + delay
            self.stop()
            self.console.line("run", f"{self.name} did not start. Retrying in {delay:.0f} s.\n{error}")
            return False
        self._restarts = 0
        return self.url != before

    def stop(self) -> None:
        """End it."""
        self.service.stop()
        self._forget()

    def _forget(self) -> None:
        if self._group is not None:
            self.reaper.forget(self._group)
            self._group = None
