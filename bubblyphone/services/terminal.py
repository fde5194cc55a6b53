"""The terminal that the supervisor was started from."""

import os


class Terminal:
    """Notices that its window was closed.

    The kernel notifies only the leader of the session (SIGHUP). A shell forwards the signal; `make`, which is the leader under
    `ssh -t host make run`, does not.
    """

    def __init__(self) -> None:
        self._file: int | None = next((os.dup(number) for number in (0, 1, 2) if os.isatty(number)), None)
        self._is_ours = False  # whether we are in its foreground, which the kernel also requires for SIGHUP

    def is_closed(self) -> bool:
        """Whether it was closed while we were in its foreground: a run in the background outlives it."""
        if self._file is None:
            return False
        try:
            self._is_ours = os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:
            return self._is_ours
        return False
