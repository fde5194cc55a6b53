"""Instruments for the platform that all apps use: requests, jobs, connections to the database, the disk."""

import asyncio
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import Failure, OrmQ

from bubblyphone.core.monitoring.metrics import FLUSHES, Counter, Gauge, Histogram, Instrument, Sampled, Samples
from bubblyphone.core.registry import dotted_path
from bubblyphone.version import VERSION

# How long whatever is ready waits for its turn on the event loop.
LOOP_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.5, 1.0)
LOOP_SAMPLE_SECONDS = 0.1
AREAS = {
    "api": "api",
    "webhooks": "webhooks",
    "admin": "admin",
    "docs": "docs",
    "healthz": "health",
    "readyz": "health",
}

READY = Instrument("ready", "Whether a service that calls depend on is available.", ("part",))
REQUESTS = Counter("http_requests", "Responses, by area and status class.", ("area", "status"))
REQUEST_SECONDS = Histogram("http_request_seconds", "Time until the response was ready.", ("area",))
# Not `job`: Prometheus names what it scrapes with that label.
JOBS = Counter("jobs", "Background jobs that ended, by function and outcome.", ("function", "outcome"))
JOB_SECONDS = Histogram("job_seconds", "Run time of background jobs.", ("function",))
LOOP_DELAY = Histogram(
    "event_loop_delay_seconds", "Delay of a timer on the event loop that carries audio.", buckets=LOOP_BUCKETS
)
POOL = Gauge("database_connections", "Connections in the web processes' pools.", ("state",))
POOL_WAITING = Gauge("database_requests_waiting", "Requests waiting for a connection from the pool.")
POOL_TIMEOUTS = Counter("database_pool_timeouts", "Requests that did not get a connection in time.")


def note_request(path: str, status: int, seconds: float) -> None:
    """A response is ready. `path` is known by its first part only."""
    area = AREAS.get(path.split("/", 2)[1], "pages")
    REQUESTS.add(area, f"{status // 100}xx")
    REQUEST_SECONDS.observe(seconds, area)


def note_job(sender: object, func: Callable[..., Any] | None, task: Mapping[str, Any], **_: Any) -> None:
    """A handler of django-q2's `post_execute_in_worker`."""
    name = dotted_path(func) if func is not None else "unknown"
    JOBS.add(name, "succeeded" if task["success"] else "failed")
    JOB_SECONDS.observe((task["stopped"] - task["started"]).total_seconds(), name)


# --- in memory, until it is flushed -----------------------------------------------------------------------------------
_delays: deque[float] = deque(maxlen=1000)


async def measure_loop() -> None:
    """Measure how late this event loop runs its callbacks. Runs until canceled."""
    while True:
        due = time.monotonic() + LOOP_SAMPLE_SECONDS
        await asyncio.sleep(LOOP_SAMPLE_SECONDS)
        _delays.append(max(0.0, time.monotonic() - due))


def _flush_delays() -> None:
    while _delays:
        LOOP_DELAY.observe(_delays.popleft())


_timeouts_seen = 0


def _flush_pool() -> None:
    global _timeouts_seen
    pool = getattr(connection, "pool", None)  # of PostgreSQL's wrapper, the only one in use
    if pool is None:
        return
    counts: dict[str, int] = pool.get_stats()
    size, idle = counts.get("pool_size", 0), counts.get("pool_available", 0)
    POOL.set(size - idle, "in_use")
    POOL.set(idle, "idle")
    POOL.set(counts.get("pool_max", 0), "limit")
    POOL_WAITING.set(counts.get("requests_waiting", 0))
    timeouts = counts.get("requests_errors", 0)
    POOL_TIMEOUTS.add(amount=timeouts - _timeouts_seen)
    _timeouts_seen = timeouts


FLUSHES.register(_flush_delays, _flush_pool)


# --- asked when someone looks ----------------------------------------------------------------------------------------
def _queued() -> Samples:
    yield (), OrmQ.objects.count()


def _oldest_job() -> Samples:
    oldest = OrmQ.objects.filter(lock__lte=timezone.now()).order_by("lock").values_list("lock", flat=True).first()
    yield (), (timezone.now() - oldest).total_seconds() if oldest else 0


def _failed() -> Samples:
    yield (), Failure.objects.count()


def disk_bytes() -> dict[str, int]:
    """Of the disk that DATA_DIR is on: `free` and `size`."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    return {"free": usage.free, "size": usage.total}


Sampled("jobs_queued", "Background jobs waiting or running.", sample=_queued)
Sampled("job_oldest_seconds", "Age of the oldest job that has not started.", sample=_oldest_job)
Sampled("jobs_failed", "Failed jobs that staff have not retried or deleted.", sample=_failed)
Sampled(
    "disk_bytes",
    "Size of the disk with DATA_DIR, in bytes.",
    ("state",),
    sample=lambda: (((state,), value) for state, value in disk_bytes().items()),
    needs_database=False,
)
Sampled("build_info", "Always 1.", ("version",), sample=lambda: [((VERSION,), 1)], needs_database=False)
