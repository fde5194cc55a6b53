"""How fast a client sends and reads, and whether it has gone."""

import fcntl
import socket
import struct
import termios
from typing import Any

from bubblyphone.server.daphne_websocket import buffered

# Clients are asked for 1 kB/s. The rest allows for timers and lost packets.
LEAST_BYTES_PER_SECOND = 800


class Flow:
    """Whether bytes move at the minimum rate, on average and within each window of `grace` seconds."""

    def __init__(self, now: float, grace: float) -> None:
        self._grace = grace
        self._began = self._window = now
        self.total = self._at_window = 0

    def count(self, size: int) -> None:
        self.total += size

    def is_too_slow(self, now: float) -> bool:
        if self.total < (now - self._began - self._grace) * LEAST_BYTES_PER_SECOND:
            return True
        seconds = now - self._window
        if seconds < self._grace:
            return False
        stalled = self._window > self._began and self.total - self._at_window < seconds * LEAST_BYTES_PER_SECOND
        self._window, self._at_window = now, self.total
        return stalled


def untaken(transport: Any) -> int:
    """Bytes that the client has not acknowledged yet, including those in the kernel's queue."""
    try:
        queued = struct.unpack("i", fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    except (OSError, ValueError):
        queued = 0  # closed in the meantime
    return buffered(transport) + int(queued)


def drop_if_reset(transport: Any) -> None:
    """Drop a connection that its client has reset.

    uvloop reports a socket's error to its reader once and then stops watching it. If that read returns data from before the reset, nobody
    notices the end: the next write fails, and a connection without writes stays open.
    """
    try:
        error = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError:
        return  # closed meanwhile
    if error:
        transport.abortConnection()
