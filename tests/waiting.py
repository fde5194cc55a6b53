"""Waits for effects of other threads."""

import time
from collections.abc import Callable


def eventually(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition is true. Raises AssertionError on timeout."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"The condition did not become true in {seconds} s."
        time.sleep(0.02)
