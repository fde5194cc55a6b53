"""`python -m tests.bench.background`: what metering and the sweeper cost with 1,000 running calls, and how many jobs a worker runs."""

import json
import os
import sys
import time
from collections.abc import Callable

import psycopg

from tests.bench.system import START_SECONDS, System, cores, cpu_seconds, on_cores, run_module, trees


def main() -> None:
    measured, own = cores()
    os.sched_setaffinity(0, own)
    with System() as system:
        environment, services = system.start_services({})
        with on_cores(measured):
            made = json.loads(run_module("tests.bench.background_rows", environment, *map(str, services)))
            for state, costs in (("no call", made["idle"]), ("1,000 calls", made["busy"])):
                for name, cost in costs.items():
                    say(
                        f"{name}, {state}: {cost['own_ms']:.1f} ms of CPU, services {cost['services_ms']:.1f} ms, {cost['queries']} queries"
                    )
            worker = system.start_command("qcluster", environment)
        say(run_jobs(made["jobs"], environment["DATABASE_URL"], worker, services))
        sys.stderr.write(system.log())


def run_jobs(jobs: int, database_url: str, worker: int, services: list[int]) -> str:
    """From the first job's end to the last one's, so that starting the worker does not count."""
    with psycopg.connect(database_url, autocommit=True) as database:

        def left() -> int:
            row = database.execute("SELECT count(*) FROM django_q_ormq").fetchone()
            assert row is not None
            return int(row[0])

        wait_until(lambda: left() < jobs)
        began, first = time.monotonic(), left()
        before = cpu_seconds(trees([worker])), cpu_seconds(trees(services))
        wait_until(lambda: left() == 0)
        seconds = time.monotonic() - began
    own, theirs = cpu_seconds(trees([worker])) - before[0], cpu_seconds(trees(services)) - before[1]
    return (
        f"jobs: {first} in {seconds:.1f} s ({first / seconds:.0f}/s); "
        f"{1000 * own / first:.1f} ms of CPU each, services {1000 * theirs / first:.1f} ms"
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
