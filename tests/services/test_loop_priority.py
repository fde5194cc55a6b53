"""Priority and time slices of the thread that carries audio, as Linux reports them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHORTEN = """
import os
from pathlib import Path
from bubblyphone.server.loop_priority import shorten_time_slices
print(shorten_time_slices(), os.getpriority(os.PRIO_PROCESS, 0))
print(Path("/proc/self/sched").read_text())
"""
OTHERS = """
import re, subprocess, threading
from pathlib import Path
from bubblyphone.server.loop_priority import shorten_time_slices
def note_slice():
    found.append(re.search(r"se\\.slice\\s*:\\s*(\\d+)", Path("/proc/thread-self/sched").read_text())[1])
found = []
note_slice()
shorten_time_slices()
note_slice()
thread = threading.Thread(target=note_slice)
thread.start()
thread.join()
child = subprocess.run(["cat", "/proc/self/sched"], capture_output=True, text=True, check=True).stdout
found.append(re.search(r"se\\.slice\\s*:\\s*(\\d+)", child)[1])
print(*found)
"""
PRIORITIZE = """
import os, resource, subprocess, threading
from pathlib import Path
from bubblyphone.server.loop_priority import prioritize_audio
PREPARE
def note_policy():
    found.append(os.sched_getscheduler(0))
found = [prioritize_audio()]
note_policy()
thread = threading.Thread(target=note_policy)
thread.start()
thread.join()
child = subprocess.run(["/bin/cat", "/proc/self/sched"], capture_output=True, text=True, check=True).stdout
found.append(int(child.partition("policy")[2].split()[1]))
print(*found)
print(Path("/proc/self/sched").read_text())
"""


def _run(code: str, *before: str) -> str:
    command = [*before, sys.executable, "-c", code]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def _is_reported() -> bool:
    report = Path("/proc/self/sched")
    return report.exists() and "se.slice" in report.read_text()


@pytest.mark.skipif(not _is_reported(), reason="Linux reports time slices from version 6.12 on")
def test_the_slices_are_short_and_the_priority_stays() -> None:
    first, report = _run(SHORTEN, "nice", "-n", "3").split("\n", 1)
    assert first == f"True {min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)}"
    found = re.search(r"se\.slice\s*:\s*(\d+)", report)
    assert found is not None
    assert int(found[1]) == 100_000


@pytest.mark.skipif(not _is_reported(), reason="Linux reports time slices from version 6.12 on")
def test_threads_and_processes_that_it_starts_have_usual_slices() -> None:
    usual, own, thread, child = _run(OTHERS).split()
    assert (own, thread, child) == ("100000", usual, usual)
    assert int(usual) > 100_000


@pytest.mark.skipif(not _is_reported(), reason="Linux reports time slices from version 6.12 on")
def test_a_process_whose_policy_ends_at_a_fork_has_short_slices() -> None:
    policy = "os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))"
    first, report = _run(SHORTEN.replace("import os\n", f"import os\n{policy}\n", 1)).split("\n", 1)
    found = re.search(r"se\.slice\s*:\s*(\d+)", report)
    assert found is not None
    assert (first.split()[0], found[1]) == ("True", "100000")


def test_other_systems_and_policies_keep_their_slices() -> None:
    batch = "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))\n"
    other = 'import platform\nplatform.system = lambda: "Darwin"\n'
    for before in (batch, other):
        code = SHORTEN.replace("import os\n", f"import os\n{before}", 1).rsplit("\n", 2)[0]
        assert _run(code).split()[0] == "False"


def _is_permitted() -> bool:
    attempt = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
    return subprocess.run([sys.executable, "-c", attempt], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _is_permitted(), reason="needs permission for a real-time priority")
def test_with_permission_this_thread_alone_gets_a_real_time_priority() -> None:
    first, report = _run(PRIORITIZE.replace("PREPARE", "")).split("\n", 1)
    has_it, own, thread, child = first.split()
    assert (has_it, int(own)) == ("True", os.SCHED_RR | os.SCHED_RESET_ON_FORK)
    assert (int(thread), int(child)) == (os.SCHED_OTHER, os.SCHED_OTHER)
    found = re.search(r"^prio\s*:\s*(\d+)", report, re.M)
    assert found is not None
    assert int(found[1]) == 98  # Linux counts down from 99


@pytest.mark.skipif(not _is_reported(), reason="Linux reports time slices from version 6.12 on")
def test_without_permission_it_gets_short_slices() -> None:
    become_user = "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\nif os.getuid() == 0:\n    os.setresuid(65534, 65534, 65534)"
    first, report = _run(PRIORITIZE.replace("PREPARE", become_user)).split("\n", 1)
    own, usual = os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.SCHED_OTHER
    assert first.split() == ["False", str(own), str(usual), str(usual)]
    found = re.search(r"se\.slice\s*:\s*(\d+)", report)
    assert found is not None
    assert int(found[1]) == 100_000
