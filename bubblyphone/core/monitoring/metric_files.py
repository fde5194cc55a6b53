"""Shares the counts of all processes of a machine, so that one of them can show the sum: prometheus_client's files, in slots.
prometheus_client names a process's files after its process id, and leaves those of every process that has ever run. Here a process
takes the lowest free slot, held by a lock that the system releases however the process ends, and continues the counts it finds there.
So no count is lost, and there are never more files than processes that ran at the same time.
"""

import fcntl
import itertools
import logging
import os
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from bubblyphone.core.json.documents import parse_stored_json

logger = logging.getLogger(__name__)

# Written in full before they are mapped: on a full disk this fails with an error instead of a later signal that kills the process. Holds
# about two thousand values.
FILE_BYTES = 512 * 1024
GAUGES = "gauge_livesum"
KINDS = ("counter", "histogram", GAUGES)
UNREADABLE = (RuntimeError, ValueError, struct.error)


class _Slot:
    """This process's slot in `folder`; taken with the first count."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._lock: int | None = None
        self._number = ""
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def number(self) -> str:
        """The slot's number; takes a slot first if necessary. Raises OSError, and RuntimeError without a folder."""
        if self._lock is None:
            if self.folder is None:
                raise RuntimeError("No folder for metrics is set.")
            self._take(self.folder)
        return self._number

    def _take(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in itertools.count():
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            try:
                _prepare(folder, str(number))
            except OSError:
                os.close(lock)
                raise
            self._lock, self._number = lock, str(number)
            return

    def _leave_to_parent(self) -> None:
        """In a forked process: the lock belongs to the parent and must end with it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


_slot = _Slot()


def keep_in(folder: Path) -> None:
    """Set the folder that the processes of this machine share. Nothing is written before the first count."""
    _slot.folder = folder
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where prometheus_client looks for it


def _prepare(folder: Path, number: str) -> None:
    """Files of full size. Counts of earlier processes are kept; gauges and unreadable values are not."""
    for kind in KINDS:
        path = folder / f"{kind}_{number}.db"
        if path.exists() and kind != GAUGES and _is_readable(path):
            continue
        beside = path.with_suffix(".new")
        with open(beside, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(bytes(FILE_BYTES))
        beside.replace(path)


def _is_readable(path: Path) -> bool:
    try:
        for key, *_ in MmapedDict.read_all_values_from_file(path):
            parse_stored_json(key)
    except UNREADABLE:
        logger.warning("The metrics in %s cannot be read and start at zero", path)
        return False
    return True


@cache
def _mapped() -> Any:
    return values.MultiProcessValue(_slot.number)


def _value(*args: Any, **kwargs: Any) -> Any:
    """A value in this process's files, or only in its memory if files are not possible."""
    try:
        return _mapped()(*args, **kwargs)
    except (OSError, RuntimeError) as error:
        logger.warning("Metrics of this process are not available: %s", error)
        return values.MutexValue(*args, **kwargs)


# Called for each value that an instrument creates.
values.ValueClass = _value


def collect() -> Iterable[Metric]:
    """The counts of all processes, and the gauges of running ones."""
    folder = _slot.folder
    if folder is None or not folder.exists():
        return ()
    paths = [path for path in folder.glob("*.db") if not path.name.startswith(GAUGES) or _is_held(path)]
    try:
        found: Iterable[Metric] = MultiProcessCollector.merge([str(path) for path in paths])
    except UNREADABLE:  # left after a power failure; the next process in this slot restarts them
        found = MultiProcessCollector.merge([str(path) for path in paths if _is_readable(path)])
    return found


def _is_held(path: Path) -> bool:
    """Whether the process that wrote this file is running."""
    number = path.stem.rpartition("_")[2]
    try:
        lock = os.open(path.with_name(f"{number}.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
