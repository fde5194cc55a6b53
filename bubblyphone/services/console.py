"""Terminal output: each process's log lines under its name, and the banner."""

import os
import sys
import threading
from pathlib import Path

from bubblyphone.core.json.documents import parse_stored_json

COLORS = {"postgres": 34, "valkey": 35, "exchange": 33, "web": 36, "media": 96, "clock": 32, "worker": 94, "run": 1}
NAME_WIDTH = 8


class Console:
    """Writes whole lines to standard output, even if several threads write at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        """Write a line of the process called `name`. A closed pipe is not a reason to stop."""
        label = f"{name:<{NAME_WIDTH}} |"
        if self._colored:
            label = f"\x1b[{COLORS.get(name, 0)}m{label}\x1b[0m"
        self.write(f"{label} {text}")

    def write(self, text: str) -> None:
        """Plain text, on separate lines."""
        with self._lock:
            try:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
            except OSError:
                # Redirect the descriptor, otherwise the interpreter reports the error again when it flushes at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_banner(url: str, demo_file: Path | None) -> str:
    """The server's URL and, with the `demo_file` of a demo account, its login."""
    rows = [("Open", url)]
    if demo_file is not None:
        demo = parse_stored_json(demo_file.read_text())
        rows += [
            ("Sign in", f"{demo['email']}  /  {demo['password']}"),
            ("Staff", f"{demo['staff_email']}  /  {demo['staff_password']}  at {url}/admin/"),
            ("API key", demo["api_key"]),
            ("Numbers", "  ".join(demo["numbers"]) or "none yet (buy one under Numbers)"),
        ]
    body = "\n".join(f"    {label:<9} {value}" for label, value in rows)
    return f"\n  BubblyPhone Agents is running.\n\n{body}\n\n  Press Ctrl-C to stop.\n"
