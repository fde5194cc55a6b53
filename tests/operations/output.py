"""Output of the scenarios."""

import sys


def say(text: str) -> None:
    """Print a line immediately, even into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
