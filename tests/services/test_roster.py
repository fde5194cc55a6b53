"""Processes left behind by a killed run whose reaper also died. The next run stops them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bubblyphone.services.groups import is_group_alive, kill_group
from bubblyphone.services.orphan_reaper import OrphanReaper
from bubblyphone.services.roster import Roster, stop_leftovers

# SIGINT may be ignored if the tests run in the background, and children inherit that.
SLEEPER = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); time.sleep(60)"
# A leader that exits, and a child in its group that does not.
ORPHAN = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print('up', flush=True)"
)


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def spawn(code: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield spawn
    for process in started:
        kill_group(process.pid)
        process.wait()


def test_the_next_run_stops_the_listed_processes(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "processes.json"
    roster = Roster(path)
    process, ended = spawn(SLEEPER), spawn(SLEEPER)
    roster.add(process.pid, signal.SIGINT)
    roster.add(ended.pid, signal.SIGTERM)
    roster.remove(ended.pid)

    assert stop_leftovers(path, tmp_path) == 1
    assert process.wait(30) == -signal.SIGINT
    assert ended.poll() is None
    assert stop_leftovers(path, tmp_path) == 0


def test_children_whose_leader_is_gone_are_also_stopped(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "processes.json"
    leader = spawn(ORPHAN, DATA_DIR=str(tmp_path))
    Roster(path).add(leader.pid, signal.SIGTERM)
    leader.wait()
    group = leader.pid
    child = next(process for process in psutil.process_iter() if os.getpgid(process.pid) == group)

    assert stop_leftovers(path, tmp_path) == 1
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        '[{"group": 999999999, "signal": 15, "started": 1.0}]',
        f'[{{"group": {os.getpid()}, "signal": 15, "started": 1.0}}]',
        "[]",
    ],
    ids=["empty", "damaged", "gone", "another program by now", "nothing"],
)
def test_no_other_process_is_stopped(tmp_path: Path, text: str) -> None:
    path = tmp_path / "processes.json"
    path.write_text(text)
    assert stop_leftovers(path, tmp_path) == 0
    assert stop_leftovers(tmp_path / "absent.json", tmp_path) == 0


def kill_reaper() -> None:
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    dead = next(child for child in running if "bubblyphone.services.orphan_reaper" in child.cmdline())
    dead.kill()
    while dead.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_a_dead_reaper_is_replaced_by_one_with_the_same_list(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    reaper = OrphanReaper()
    before, after, ended = spawn(SLEEPER), spawn(SLEEPER), spawn(SLEEPER)
    reaper.watch(before.pid)
    reaper.watch(ended.pid)
    assert reaper.revive() is None

    kill_reaper()
    reaper.forget(ended.pid)
    reaper.watch(after.pid)
    assert reaper.revive() is None

    reaper.close()
    assert (before.wait(30), after.wait(30)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert ended.poll() is None
    assert not is_group_alive(before.pid)


def test_a_reaper_that_cannot_be_started_is_replaced_later(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = OrphanReaper()
    before, after, ended = spawn(SLEEPER), spawn(SLEEPER), spawn(SLEEPER)
    reaper.watch(before.pid)
    reaper.watch(ended.pid)
    kill_reaper()
    with monkeypatch.context() as without_python:
        without_python.setattr(sys, "executable", str(tmp_path / "python"))
        assert (reaper.revive(), reaper.revive()) == (None, None)
        reaper.forget(ended.pid)
        reaper.watch(after.pid)
    assert reaper.revive() == -signal.SIGKILL
    assert reaper.revive() is None

    reaper.close()
    assert (before.wait(30), after.wait(30)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert ended.poll() is None
    assert not is_group_alive(before.pid)
