"""`python -m tests.bench.background_rows PID…`: what a second of metering and a sweep cost with running calls.

The PIDs are those of PostgreSQL and Valkey. Then queues jobs. Prints the result as JSON.
"""

import json
import sys
import time
from collections.abc import Callable

import django
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.bench.system import cpu_seconds, trees

CALLS, ACCOUNTS, ROUNDS = 1000, 100, 10
JOBS = 2000


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    # Models can be imported only now.
    from bubblyphone.core.background.jobs import delete_old_logs, enqueue
    from calls.clock import metering, sweeper
    from calls.models import Call
    from tests.calls.rows import describe_call, make_account, make_streaming_number

    now = timezone.now()
    numbers = [make_streaming_number(make_account("1000")) for _ in range(ACCOUNTS)]
    calls = [describe_call(numbers[place % ACCOUNTS], now, carrier_call_id=f"v3:{place}") for place in range(CALLS)]
    services = [int(pid) for pid in sys.argv[1:]]
    idle = {"metering": measure(metering.meter_once, services), "sweep": measure(sweeper.sweep_once, services)}
    Call.objects.bulk_create(calls)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    busy = {"metering": measure(metering.meter_once, services)}
    Call.objects.update(session_seen_at=timezone.now())
    busy["sweep"] = measure(sweeper.sweep_once, services)
    assert Call.objects.running().filter(end_requested_at=None).count() == CALLS
    for _ in range(JOBS):
        enqueue(delete_old_logs)
    sys.stdout.write(json.dumps({"idle": idle, "busy": busy, "jobs": JOBS}))


def measure(function: Callable[[], None], services: list[int]) -> dict[str, float]:
    """CPU time of this process and of the services for one round in ms, and its queries."""
    with CaptureQueriesContext(connection) as queries:
        function()
    before, began = cpu_seconds(trees(services)), time.process_time()
    for _ in range(ROUNDS):
        function()
    own, theirs = time.process_time() - began, cpu_seconds(trees(services)) - before
    return {"own_ms": 1000 * own / ROUNDS, "services_ms": 1000 * theirs / ROUNDS, "queries": len(queries)}


if __name__ == "__main__":
    main()
