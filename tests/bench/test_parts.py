"""The groups of parts, and what a part does to those after it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.parts import GROUPS, PARTS, Results, chosen, reporting_failure

PROJECT = Path(__file__).resolve().parents[2]
# The benchmark's own thread has its core and its priority before a process is started.
START = """
import asyncio, os, subprocess, sys
from tests.bench.setup import start_pinned
from tests.bench.system import cores, on_cores, undelayed

look = "import os; print(sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0))"
measured, bench = cores()

def start():
    return subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout

async def main():
    with on_cores(bench), undelayed():
        print(await start_pinned(measured, start), end="")

asyncio.run(main())
"""


def test_memory_is_measured_first_and_the_clock_has_no_webhooks_of_earlier_parts() -> None:
    assert [list(group) for group in GROUPS[1:]] == [["memory", "processes"], ["memory-gemini", "contention"]]


def test_chosen_parts_stay_in_the_groups_and_order_of_the_whole_run() -> None:
    groups = chosen(["processes", "capacity", "web", "levels"])
    assert [list(group) for group in groups] == [["levels", "capacity", "web"], ["processes"]]


def test_on_one_platform_the_media_processes_that_stay_come_last() -> None:
    [group] = chosen(PARTS, on_one_platform=True)
    assert sorted(group) == sorted(PARTS)
    assert list(group)[-1] == "processes"


@pytest.mark.skipif(sys.platform != "linux", reason="pins processes to cores")
def test_processes_start_on_their_core_with_the_usual_priority() -> None:
    done = subprocess.run([sys.executable, "-c", START], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.stdout == f"{sorted(os.sched_getaffinity(0))[:1]} {os.SCHED_OTHER}\n", done.stderr


def test_a_part_that_fails_is_reported_and_the_results_of_the_others_stay() -> None:
    results = Results()
    with reporting_failure("levels", results):
        raise TimeoutError("no answer")
    assert [finding.missed for finding in results.findings] == ["levels failed"]
    with pytest.raises(ZeroDivisionError), reporting_failure("api", results):
        raise ZeroDivisionError
    assert len(results.findings) == 1
