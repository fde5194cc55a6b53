"""Ends the process groups of a supervisor that was itself killed. Run as `python -m bubblyphone.services.guard`.

The supervisor writes `<group> <signal>` to a pipe for a group it has started, and `<group> 0` for one that has ended.
The pipe closes when the supervisor ends, in whatever way; the leader of each group still on the list then gets its
signal, and seconds later the whole group gets SIGKILL.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import IO, cast

GRACE_SECONDS = 8.0


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self, lock: IO[str] | None = None) -> None:
        """`lock` is a file with a lock on it, which then lasts as long as the guard."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bubblyphone.services.guard"], stdin=subprocess.PIPE, start_new_session=True,
            pass_fds=[lock.fileno()] if lock else [],
        )  # fmt: skip

    def watch(self, group: int, number: signal.Signals = signal.SIGTERM) -> None:
        """From now on this group does not outlive us; `number` is the signal on which its leader ends in good order."""
        self._tell(f"{group} {number.value}")

    def forget(self, group: int) -> None:
        """The group has ended; its number may come to belong to others."""
        self._tell(f"{group} 0")

    def close(self) -> None:
        """End the guard, and with it every group still watched."""
        cast("IO[bytes]", self._process.stdin).close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        pipe = cast("IO[bytes]", self._process.stdin)
        pipe.write(f"{line}\n".encode())
        pipe.flush()


def signal_leader(group: int, number: int) -> None:
    """Send a signal to the first process of a group alone: django-q2 insists on ending its children itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(group, number)


def is_group_alive(group: int) -> bool:
    """Whether anybody is left in the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def kill_group(group: int) -> None:
    """End all that is left of a group, children of a leader that is gone included."""
    # macOS answers EPERM instead of ESRCH when only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Follow the list until the pipe closes, then end what is left on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signals: dict[int, int] = {}
    for line in sys.stdin:
        group, number = map(int, line.split())
        signals[group] = number
    left = [group for group, number in signals.items() if number]
    for group in left:
        signal_leader(group, signals[group])
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(is_group_alive, left)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in left:
        kill_group(group)


if __name__ == "__main__":
    main()
