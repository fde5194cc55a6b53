"""Waiting for what other threads bring about."""

import time
from collections.abc import Callable


def eventually(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.02)
