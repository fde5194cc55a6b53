"""The benchmark runs for users who may not raise priorities."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
WITHOUT_RIGHTS = """
import os, resource
from tests.bench.system import confine
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
if os.getuid() == 0:
    os.setresuid(65534, 65534, 65534)
cores, usual = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
confine([os.getpid()], cores, usual + 1)
confine([os.getpid()], {min(cores)}, usual)
print(os.getpriority(os.PRIO_PROCESS, 0) - usual, os.sched_getaffinity(0) == {min(cores)})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads threads from /proc")
def test_a_priority_that_may_not_be_raised_stays() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "1 True\n", done.stderr
