"""A file with the processes of a run, so that the next run can stop those that a killed run left behind."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.services.groups import end_groups

STOP_SECONDS = 12.0


class Roster:
    """Process groups and the signals that end them, saved to `path` (mode 600) at every change.

    Process ids are reused, so each is stored with the start time of its process.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Without `path`, the list is only in memory."""
        self.path = path
        self.signals: dict[int, int] = {}
        self._started: dict[int, float] = {}

    def add(self, group: int, number: int) -> None:
        """A group was started; `number` is the signal on which its leader shuts down."""
        self.signals[group] = number
        self._started[group] = _start_time(group) or 0.0
        self._write()

    def remove(self, group: int) -> None:
        """The group has ended."""
        self.signals.pop(group, None)
        self._started.pop(group, None)
        self._write()

    def _write(self) -> None:
        if self.path is None:
            return
        rows = [
            {"group": group, "signal": number, "started": self._started[group]}
            for group, number in self.signals.items()
        ]
        beside = self.path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(rows, file)
        beside.replace(self.path)


def stop_leftovers(path: Path, data_dir: Path) -> int:
    """End the groups of an earlier run that are still in its roster at `path`; returns their number.

    The leaders get their signals; after 12 s the rest of each group is killed.
    """
    left = dict(_leftovers(path, data_dir))
    end_groups(left, STOP_SECONDS)
    return len(left)


def _leftovers(path: Path, data_dir: Path) -> Iterator[tuple[int, int]]:
    try:
        rows = parse_stored_json(path.read_text())
    except (OSError, ValueError):
        return
    for row in rows:
        group, started = row["group"], row["started"]
        leader = _start_time(group)
        # Without a leader, its children still reserve the group's number; check the start time of one of them.
        if leader == started or (leader is None and _has_members(group, data_dir)):
            yield group, row["signal"]


def _start_time(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _has_members(group: int, data_dir: Path) -> bool:
    return any(_is_member(process, group, data_dir) for process in psutil.process_iter())


def _is_member(process: psutil.Process, group: int, data_dir: Path) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.environ().get("DATA_DIR") == str(data_dir)
    except (psutil.Error, OSError):
        return False
