"""Priorities of processes: frames of audio are sent before pages are rendered."""

import contextlib
import os
import time
from pathlib import Path

# A third of what a call's process gets of a core that both want.
BACKGROUND_NICENESS = 5
# Without privileges, Linux lets a user change one group in a tenth of a second.
TRIES, PAUSE_SECONDS = 4, 0.1


def lower_priority(pid: int) -> None:
    """Let other processes go before this one, which has just started, and before its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + BACKGROUND_NICENESS)
    # A desktop's Linux shares cores between sessions first, and our processes have one each. Then only the session's niceness counts.
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(TRIES):
        try:
            group.write_text(str(BACKGROUND_NICENESS))
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:  # not Linux, or without such groups, or it has ended
            return
        else:
            return
