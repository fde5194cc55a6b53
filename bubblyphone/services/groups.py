"""Signals to process groups."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping


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


def end_groups(signals: Mapping[int, int], grace_seconds: float) -> None:
    """Send each group's signal to its leader. After `grace_seconds`, kill what is left of the groups."""
    for group, number in signals.items():
        signal_leader(group, number)
    deadline = time.monotonic() + grace_seconds
    while any(map(is_group_alive, signals)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in signals:
        kill_group(group)
