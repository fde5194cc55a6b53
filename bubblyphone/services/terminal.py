"""The terminal that the supervisor was started from."""

import os


class Terminal:
    """Notices that its window was closed.

    The kernel tells the leader of the session alone (SIGHUP). A shell passes that on, `make` does not: under `ssh -t host make run` it
    is the leader.
    """

    def __init__(self) -> None:
        self._file: int | None = next((os.dup(number) for number in (0, 1, 2) if os.isatty(number)), None)
        self._is_ours = False  # we are in its foreground, as the kernel asks before it sends SIGHUP to others

    def is_closed(self) -> bool:
        """Whether it has gone while we were in its foreground: a run in the background outlives it."""
        if self._file is None:
            return False
        try:
            self._is_ours = os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:
            return self._is_ours
        return False
