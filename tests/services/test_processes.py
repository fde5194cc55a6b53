"""Supervised processes: how they end and restart, and what happens if the supervisor is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bubblyphone.services.console import Console
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.groups import is_group_alive
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.processes import PlatformProcess
from bubblyphone.services.run import hold_data_dir

# A parent that ignores SIGTERM, with a child that would outlive it.
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('up', flush=True); time.sleep(60)"
)


@pytest.fixture
def reaper() -> Iterator[OrphanReaper]:
    reaper = OrphanReaper()
    yield reaper
    reaper.close()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "The condition did not become true in time."
        time.sleep(0.02)


def make_process(reaper: OrphanReaper, code: str) -> PlatformProcess:
    return PlatformProcess("web", [sys.executable, "-c", code], dict(os.environ), Console(), reaper)


def test_a_background_process_has_a_lower_priority(reaper: OrphanReaper) -> None:
    usual, background = make_process(reaper, STUBBORN), make_process(reaper, STUBBORN)
    background.is_background = True
    nicenesses, groups = [], []
    for process in (usual, background):
        process.start()
        assert process.popen is not None
        nicenesses.append(os.getpriority(os.PRIO_PROCESS, process.popen.pid))
        group = Path(f"/proc/{process.popen.pid}/autogroup")
        groups += [group.read_text().rpartition(" nice ")[2].strip()] if group.exists() else []
        process.wait(time.monotonic())
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nicenesses == [own, own + 5]
    assert groups in ([], ["0", "5"])


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(
    reaper: OrphanReaper, capfd: pytest.CaptureFixture[str]
) -> None:
    process = make_process(reaper, STUBBORN)
    process.start()
    assert process.popen is not None
    group = process.popen.pid
    seen: list[str] = []

    def is_up() -> bool:
        seen.append(capfd.readouterr().out)
        return "web      | up\n" in "".join(seen)

    wait_for(is_up)
    process.signal(signal.SIGTERM)
    process.wait(time.monotonic() + 0.3)

    assert "run      | web did not stop in time and was killed\n" in capfd.readouterr().out
    wait_for(lambda: not is_group_alive(group))


def test_a_crashed_process_is_restarted_after_one_and_then_two_seconds(
    reaper: OrphanReaper, capfd: pytest.CaptureFixture[str]
) -> None:
    process = make_process(reaper, "raise SystemExit(3)")
    process.start()
    began = time.monotonic()
    while process.restarts < 2:
        process.revive()
        time.sleep(0.01)
    assert 1.0 <= time.monotonic() - began < 3.0
    log_lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("run")]
    assert log_lines == [
        "run      | web stopped (exit code 3). Restarting in 1 s.",
        "run      | web stopped (exit code 3). Restarting in 2 s.",
    ]


def test_no_process_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    report = tmp_path / "pid"
    code = f"""
import os, pathlib, sys, time
from bubblyphone.services.console import Console
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.processes import PlatformProcess
process = PlatformProcess("web", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, Console(), OrphanReaper())
process.start()
pathlib.Path({str(report)!r}).write_text(str(process.popen.pid))
time.sleep(60)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: report.exists() and report.read_text() != "", 30)
    group = int(report.read_text())
    assert is_group_alive(group)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not is_group_alive(group))


def test_the_run_after_a_killed_one_waits_for_its_remaining_processes(tmp_path: Path) -> None:
    """The killed run's reaper holds the lock as long as any process it started is alive."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with hold_data_dir(tmp_path) as lock:
        lock.seek(0)
        assert lock.read() == str(os.getpid())
        reaper = OrphanReaper(lock)
        lock.truncate(0)
        lock.write(str(ended.pid))
    began = time.monotonic()
    threading.Timer(0.3, reaper.close).start()
    with hold_data_dir(tmp_path):
        assert time.monotonic() - began >= 0.3


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    message = rf"is in use by another run \(process {os.getpid()}\)"
    with hold_data_dir(tmp_path), pytest.raises(ServiceError, match=message), hold_data_dir(tmp_path):
        pass
