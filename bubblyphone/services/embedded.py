"""The base class of the embedded services: a process with a log and a URL."""

import contextlib
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from bubblyphone.services.secrets_store import SecretsStore

CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedService(ABC):
    """PostgreSQL or Valkey: one server on loopback TCP with a password."""

    # The signals that stop it, each with the seconds to wait before the next one.
    shutdowns: ClassVar[tuple[tuple[signal.Signals, int], ...]]

    def __init__(self, log_path: Path, secrets_store: SecretsStore) -> None:
        self.secrets_store = secrets_store
        self.log_path = log_path
        self.process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @abstractmethod
    def launch(self) -> int | None:
        """Start the process; returns its id. Raises ServiceError."""

    @abstractmethod
    def wait_until_ready(self, check: Callable[[], None] = lambda: None) -> str:
        """The URL once it answers. `check` is called repeatedly while waiting and may raise.

        Raises ServiceError with the server's own message.
        """

    def start(self) -> str:
        """Launch the server and wait for it; returns its URL. Raises ServiceError with the server's own message."""
        self.launch()
        return self.wait_until_ready()

    def exit_code(self) -> int | None:
        """The exit status; None while it runs or was never started."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """Send each of `shutdowns` until it stops, then SIGKILL."""
        if self.process is None:
            return
        for number, seconds in (*self.shutdowns, (signal.SIGKILL, None)):
            if self.process.poll() is None:
                self.process.send_signal(number)
            try:
                self.process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self.process = None

    def log_tail(self) -> str:
        """The last 2,000 characters of its log; "" if there is none."""
        with contextlib.suppress(OSError):
            return self.log_path.read_text(errors="replace")[-2000:].strip()
        return ""
