"""Ends the process groups of a supervisor that was itself killed. Run as `python -m bubblyphone.services.orphan_reaper`.

The supervisor writes `<group> <signal>` to a pipe for a group it has started, and `<group> 0` for one that has ended.
The pipe closes when the supervisor ends for any reason. The leader of each group on the list then gets its signal, and
seconds later the whole group gets SIGKILL.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

from bubblyphone.services.groups import end_groups
from bubblyphone.services.roster import Roster

PROJECT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 8.0


class OrphanReaper:
    """The supervisor's end of the pipe. If the reaper dies, a new one gets the whole list."""

    def __init__(self, lock: IO[str] | None = None, roster: Roster | None = None) -> None:
        """`lock` is a locked file, whose lock then lasts as long as the reaper. `roster` also stores the list in a file."""
        self._lock = lock
        self._roster = roster or Roster()
        self._process = self._start()

    def watch(self, group: int, number: signal.Signals = signal.SIGTERM) -> None:
        """From now on this group does not outlive us; `number` is the signal on which its leader shuts down."""
        self._roster.add(group, number.value)
        self._tell(f"{group} {number.value}\n")

    def forget(self, group: int) -> None:
        """The group has ended; the system may reuse its number."""
        self._roster.remove(group)
        self._tell(f"{group} 0\n")

    def revive(self) -> int | None:
        """Replace a reaper that has ended. Returns its exit status; None if it runs, or cannot be replaced yet."""
        ended = self._process
        if ended.poll() is None:
            return None
        try:
            self._process = self._start()
        except OSError:  # too little memory, for example. The roster keeps the list until the next call
            return None
        with contextlib.suppress(OSError):
            cast("IO[bytes]", ended.stdin).close()
        return ended.returncode

    def close(self) -> None:
        """End the reaper, and with it every group still watched."""
        with contextlib.suppress(BrokenPipeError):
            cast("IO[bytes]", self._process.stdin).close()
        self._process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "bubblyphone.services.orphan_reaper"], cwd=PROJECT, stdin=subprocess.PIPE, start_new_session=True,
            pass_fds=[self._lock.fileno()] if self._lock else [], env={"PATH": os.environ.get("PATH", "")}, bufsize=0,
        )  # fmt: skip
        with contextlib.suppress(BrokenPipeError):  # already dead: `revive` is called again
            for group, number in self._roster.signals.items():
                cast("IO[bytes]", process.stdin).write(f"{group} {number}\n".encode())
        return process

    def _tell(self, line: str) -> None:
        try:
            cast("IO[bytes]", self._process.stdin).write(line.encode())
        except BrokenPipeError:
            # Its replacement gets the list, including this line.
            self._process.wait()
            self.revive()


def main() -> None:
    """Follow the list until the pipe closes, then end the remaining groups."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signals: dict[int, int] = {}
    for line in sys.stdin:
        group, number = map(int, line.split())
        signals[group] = number
    end_groups({group: number for group, number in signals.items() if number}, GRACE_SECONDS)


if __name__ == "__main__":
    main()
