"""Signals to process groups."""

import contextlib
import os
import signal


def signal_leader(group: int, number: int) -> None:
    """Send a signal to the first process of a group alone: django-q2 insists on ending its children itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(group, number)


def is_group_alive(group: int) -> bool:
    """Whether any process of the group is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def kill_group(group: int) -> None:
    """Kill the rest of a process group, including children whose leader has died."""
    # macOS answers EPERM instead of ESRCH when only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
