"""Records Ctrl-C, SIGTERM, SIGHUP and a closed terminal, which the supervisor checks between two steps."""

import signal
import time
from types import FrameType

from bubblyphone.services.terminal import Terminal

# `make` forwards signals to its child, so one Ctrl-C or one `kill` of the group arrives twice within a millisecond.
SAME_SIGNAL_SECONDS = 1.0


class StopSignals:
    """When stop signals arrived.

    A handler runs between two instructions of the main thread, which may hold any lock at that moment, including that of
    `threading.Event`. So the handlers only store a number.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._is_urgent = False
        self._terminal: Terminal | None = None

    def install(self) -> None:
        """Take over SIGINT, SIGTERM and, unless `nohup` ignores it, SIGHUP and the closing of the terminal. Main thread only."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)
            self._terminal = Terminal()

    @property
    def is_stop_requested(self) -> bool:
        """Whether a signal has arrived, or the terminal has been closed."""
        if self._first is None and self._terminal is not None and self._terminal.is_closed():
            self._first = time.monotonic()
        return self._first is not None

    @property
    def is_urgent(self) -> bool:
        """Whether another signal arrived a second or more after the first: the user does not want to wait."""
        return self._is_urgent

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first >= SAME_SIGNAL_SECONDS:
            self._is_urgent = True
