"""Signals to process groups."""

import contextlib
import os
import signal


def signal_leader(group: int, number: int) -> None:
    """Send a signal to the leader of a group only, because django-q2 ends its children itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(group, number)


def is_group_alive(group: int) -> bool:
    """Whether any process of the group still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def kill_group(group: int) -> None:
    """Kill the rest of a process group, including children whose leader has died."""
    # macOS answers EPERM instead of ESRCH when only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
