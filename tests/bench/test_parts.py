"""Each group of parts has its own platform. Its processes have the same core and priority, whatever was measured before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.parts import GROUPS, chosen

PROJECT = Path(__file__).resolve().parents[2]
# A part raises the priority of all threads of the benchmark and then starts processes. Another one fails.
TWO_GROUPS = """
import json, os, pathlib
import uvloop
from tests.bench.parts import run
from tests.bench.scale import BENCH_NICENESS, SMOKE
from tests.bench.system import confine, trees

webs, platforms = [], []

async def fail(setup, scale, results):
    raise TimeoutError("no answer")

async def look(setup, scale, results):
    earlier_webs = [pid for pid in webs if os.path.exists(f"/proc/{pid}")]
    webs.append(setup.web)
    bench = [sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)]
    confine([os.getpid()], setup.bench_cores, BENCH_NICENESS)
    clock = await setup.start_clock()
    await setup.start_media(1)
    confine([os.getpid()], setup.bench_cores, setup.niceness)
    threads = [
        int(thread.name)
        for pid in trees([setup.floor, setup.relay, setup.web, *setup.services, clock, *setup.media])
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()
    ]
    cores = sorted({core for thread in threads for core in os.sched_getaffinity(thread)})
    niceness = min(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads)
    platforms.append({"earlier_webs": earlier_webs, "bench": bench, "cores": cores, "niceness": niceness})

results = uvloop.run(run([{"fail": fail, "look": look}, {"look": look}], SMOKE))
missed = [finding.missed for finding in results.findings]
print(json.dumps([webs, platforms, missed, sorted(os.sched_getaffinity(0))]))
"""


def test_memory_is_measured_first_and_the_clock_has_no_webhooks_of_earlier_parts() -> None:
    assert [list(group) for group in GROUPS[1:]] == [["memory", "processes"], ["memory-gemini", "contention"]]


def test_chosen_parts_stay_in_the_groups_and_order_of_the_whole_run() -> None:
    groups = chosen(["processes", "capacity", "web", "levels"])
    assert [list(group) for group in groups] == [["levels", "capacity", "web"], ["processes"]]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="pins processes to cores")
def test_each_group_has_its_own_platform_on_the_same_core() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_GROUPS], cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    webs, platforms, missed, cores_at_end = json.loads(done.stdout.splitlines()[-1])
    available, usual = sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)
    assert len(set(webs)) == 2
    expected = {"earlier_webs": [], "bench": [available[-1:], usual], "cores": available[:1], "niceness": usual}
    assert platforms == [expected, expected]
    assert missed == ["fail failed"]
    assert cores_at_end == available
