"""Ctrl-C, SIGTERM, SIGHUP and a closed terminal as facts that the supervisor asks about between two steps."""

import signal
import time
from types import FrameType

from bubblyphone.services.terminal import Terminal

# `make` passes a signal on to its child, so that one Ctrl-C or one `kill` of the group arrives twice within a millisecond.
SAME_SIGNAL_SECONDS = 1.0


class StopSignals:
    """When stop signals arrived.

    A handler runs between two instructions of the main thread, which may hold any lock at that moment, `threading.Event`'s own
    included. So the handlers store a number and nothing else.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._is_urgent = False
        self._terminal: Terminal | None = None

    def install(self) -> None:
        """Take over SIGINT, SIGTERM and, unless `nohup` ignores it, SIGHUP and what it stands for. Main thread only."""
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
        """Whether another signal arrived a second or more after the first: somebody is tired of waiting."""
        return self._is_urgent

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first >= SAME_SIGNAL_SECONDS:
            self._is_urgent = True
