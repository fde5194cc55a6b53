"""Metrics of several processes: aggregated, kept when a process is killed, and in no more files than there were concurrent processes."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from bubblyphone.core.monitoring import metric_files

BEGIN = """
import os, sys, time
from pathlib import Path
from bubblyphone.core.monitoring import metric_files
from bubblyphone.core.monitoring import metrics
metric_files.keep_in(Path(sys.argv[1]))
counted = metrics.Counter("counted", "Counted.", ("kind",))
waited = metrics.Histogram("waited_seconds", "Waited.", buckets=(1.0,))
at_work = metrics.Gauge("at_work", "At work.")
def show(): print("done", flush=True)
"""


class Processes:
    """Runs scripts that count in `folder` and then wait to be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, script: str, *, count: int = 1) -> None:
        """Returns when all of them have finished counting."""
        code = BEGIN + textwrap.dedent(script) + "\nshow()\ntime.sleep(600)\n"
        command = [sys.executable, "-c", code, str(self.folder)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        self.running += started
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"

    def kill(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        self.running.clear()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "metrics"
    metric_files.keep_in(folder)
    started = Processes(folder)
    yield started
    started.kill()
    metric_files.keep_in(settings.DATA_DIR / "metrics")


def shown() -> dict[str, float]:
    """What a scrape would show: sample names with labels, and their values."""
    return {
        "".join((sample.name, *sorted(sample.labels.values()))): sample.value
        for metric in metric_files.collect()
        for sample in metric.samples
    }


def test_counts_of_killed_processes_stay_but_gauges_do_not(processes: Processes) -> None:
    processes.start('counted.add("a", amount=5); waited.observe(0.5); at_work.set(2)', count=2)
    totals = {
        "bubblyphone_counted_totala": 10,
        "bubblyphone_waited_seconds_bucket1.0": 2,
        "bubblyphone_waited_seconds_bucket+Inf": 2,
        "bubblyphone_waited_seconds_count": 2,
        "bubblyphone_waited_seconds_sum": 1,
    }
    assert shown() == {**totals, "bubblyphone_at_work": 4}
    processes.kill()
    assert shown() == totals
    processes.start('counted.add("a"); counted.add("b"); at_work.set(1)')
    assert shown() == {
        **totals,
        "bubblyphone_counted_totala": 11,
        "bubblyphone_counted_totalb": 1,
        "bubblyphone_at_work": 1,
    }
    assert sorted(path.name for path in processes.folder.glob("*.lock")) == ["0.lock", "1.lock"]
    assert len(list(processes.folder.iterdir())) == 2 * (1 + len(metric_files.KINDS))


def test_a_forked_process_counts_separately(processes: Processes) -> None:
    processes.start("""
        counted.add("a")
        child = os.fork()
        if child == 0:
            counted.add("a", amount=10)
            at_work.set(7)
            os._exit(0)
        os.waitpid(child, 0)
        counted.add("a", amount=100)
        at_work.set(1)
    """)
    assert shown() == {"bubblyphone_counted_totala": 111, "bubblyphone_at_work": 1}


def test_processes_work_without_a_writable_folder(processes: Processes) -> None:
    processes.folder.write_text("A file where the folder would be.")
    processes.start('counted.add("a"); waited.observe(1); at_work.set(3)')
    assert processes.folder.read_text() == "A file where the folder would be."


def test_unreadable_files_are_skipped_and_recreated(processes: Processes) -> None:
    processes.start('counted.add("a", amount=3)', count=2)
    processes.kill()
    broken = processes.folder / "counter_0.db"
    used = int.from_bytes(broken.read_bytes()[:4], sys.byteorder)
    with broken.open("r+b") as file:
        file.seek(8)
        file.write(b"\xff" * (used - 8))
    assert shown() == {"bubblyphone_counted_totala": 3}
    processes.start('counted.add("a")')
    assert shown() == {"bubblyphone_counted_totala": 4}


def test_files_are_fully_allocated_before_they_are_mapped(processes: Processes) -> None:
    processes.start('counted.add("a")')
    sizes = {path.stat().st_blocks * 512 >= metric_files.FILE_BYTES for path in processes.folder.glob("*.db")}
    assert sizes == {True}
