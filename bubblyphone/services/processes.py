"""One process of the platform: its command, its log lines, its priority, its restarts."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, cast

from bubblyphone.services.console import Console
from bubblyphone.services.environment import PROJECT
from bubblyphone.services.groups import kill_group, signal_leader
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.priorities import lower_priority

LONGEST_DELAY_SECONDS = 30.0
# A process that ran this long was healthy: its next crash starts the backoff from the beginning.
HEALTHY_SECONDS = 60.0


class PlatformProcess:
    """A process in its own session, so that a Ctrl-C at the terminal reaches only the supervisor."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        console: Console,
        reaper: OrphanReaper,
        *,
        is_background: bool = False,
    ) -> None:
        """With `is_background`, the process and its children get a lower priority than processes with calls."""
        self.name = name
        self.command = list(command)
        self.environment = environment
        self.console = console
        self.reaper = reaper
        self.is_background = is_background
        self.popen: subprocess.Popen[str] | None = None
        self.restarts = 0
        self.next_start = 0.0
        self._started_at = 0.0

    def start(self) -> None:
        """Start it with the current environment; its output goes to the console line by line."""
        self.popen = subprocess.Popen(
            self.command, cwd=PROJECT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self.reaper.watch(self.popen.pid)
        if self.is_background:
            lower_priority(self.popen.pid)
        self._started_at = time.monotonic()
        threading.Thread(target=self._pump, args=(cast("IO[str]", self.popen.stdout),), daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether the process itself runs, not only its children."""
        return self.popen is not None and self.popen.poll() is None

    def revive(self) -> None:
        """Called repeatedly: restart a process that ended, after 1, 2, 4 … 30 s, and report it."""
        if self.is_running:
            return
        if self.popen is not None:
            code = self.popen.returncode
            self._bury()
            self.restarts = 0 if time.monotonic() - self._started_at > HEALTHY_SECONDS else self.restarts
            delay = min(2.0**self.restarts, LONGEST_DELAY_SECONDS)
            self.restarts += 1
            self.next_start = time.monotonic() + delay
            self.console.line("run", f"{self.name} stopped ({describe_exit(code)}). Restarting in {delay:.0f} s.")
        elif time.monotonic() >= self.next_start:
            try:
                self.start()
            except OSError as error:  # out of memory or process ids, for now
                self.next_start = time.monotonic() + LONGEST_DELAY_SECONDS
                self.console.line("run", f"{self.name} could not start ({error.strerror}). Retrying.")

    def signal(self, number: int) -> None:
        """Send a signal to the process, which is responsible for its children."""
        if self.popen is not None:
            signal_leader(self.popen.pid, number)

    def wait(self, deadline: float) -> None:
        """Wait for it until `deadline` (monotonic seconds); then kill the rest of its group."""
        if self.popen is None:
            return
        try:
            self.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.console.line("run", f"{self.name} did not stop in time and was killed")
        self._bury()

    def _bury(self) -> None:
        """Kill the rest of the group, including children of a crashed process, and clear the state."""
        popen = cast("subprocess.Popen[str]", self.popen)
        kill_group(popen.pid)
        popen.wait()
        self.reaper.forget(popen.pid)
        self.popen = None

    def _pump(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.console.line(self.name, line.rstrip())


def describe_exit(code: int) -> str:
    """An exit status in words: `exit code 1`, or `signal 9`."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
