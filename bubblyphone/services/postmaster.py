"""Handles a PostgreSQL server that already uses the data folder that ours needs."""

import contextlib
import signal
import time
from pathlib import Path

import psutil

from bubblyphone.services.errors import ServiceError

# First a fast shutdown, then an immediate one, from which the next start recovers by its log.
SHUTDOWNS = ((signal.SIGINT, 20), (signal.SIGQUIT, 5))


def clear_data_folder(data: Path) -> None:
    """Stop the server, or its remaining processes, that an earlier run left in `data`, and remove a stale lock.

    Raises ServiceError naming the process if it belongs to another user or does not end.
    """
    lock = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        process = psutil.Process(int(lock.read_text().splitlines()[0]))
        if _serves(process, data):
            _stop(process, lock)
        else:
            lock.unlink()  # the process id now belongs to another program, which PostgreSQL would mistake for a server
    # Backends of a killed server soon end on their own; until then no other server can start on their shared memory.
    for backend in [process for process in psutil.process_iter() if _serves(process, data)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            backend.send_signal(signal.SIGQUIT)
            backend.wait(SHUTDOWNS[-1][1])


def _stop(process: psutil.Process, lock: Path) -> None:
    for number, seconds in SHUTDOWNS:
        try:
            process.send_signal(number)
        except psutil.AccessDenied as error:
            raise ServiceError(_text(process.pid, lock.parent)) from error
        if _has_ended(process, lock, seconds):
            return
    raise ServiceError(_text(process.pid, lock.parent))


def _has_ended(process: psutil.Process, lock: Path, seconds: float) -> bool:
    """Wait until it ends. A server that is our child stays a zombie until we read its status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if lock.exists() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return True
    return False


def _serves(process: psutil.Process, data: Path) -> bool:
    """Whether it is a PostgreSQL server whose working directory is `data`. Raises ServiceError if that cannot be determined."""
    try:
        if "postgres" not in process.name():
            return False
        return Path(process.cwd()).samefile(data)
    except psutil.AccessDenied as error:
        raise ServiceError(_text(process.pid, data)) from error
    except (psutil.Error, OSError):
        return False


def _text(pid: int, data: Path) -> str:
    return f"{data} is in use by a PostgreSQL server (process {pid}) that we cannot stop. Stop it, or set DATA_DIR to another folder."
