"""Process priorities: the processes with calls run before those that render pages and run jobs."""

import contextlib
import os
import time
from pathlib import Path

# A process with this niceness gets about a quarter of a core that it shares with a busy process with calls.
BACKGROUND_NICENESS = 5
# Linux lets an unprivileged user change the niceness of one autogroup every 0.1 s.
TRIES, PAUSE_SECONDS = 4, 0.1


def lower_priority(pid: int) -> None:
    """Lower the priority of a process that has just started; its children inherit it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + BACKGROUND_NICENESS)
    # With autogroups, usual on desktops, Linux divides CPU time among sessions first, and each of our processes has its own session. Then
    # only the niceness of the session's group counts.
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(TRIES):
        try:
            group.write_text(str(BACKGROUND_NICENESS))
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:  # not Linux, no autogroups, or the process has ended
            return
        else:
            return
