"""What the scenarios say."""

import sys


def say(text: str) -> None:
    """A line, at once: also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
