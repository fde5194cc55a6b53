"""The status page for operators. Read-only; each part is a few short queries."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import django
from django.db import connection
from django.db.models import Count, F, Min, Q
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ
from redis.exceptions import RedisError

from billing.metrics import last_check
from billing.models import LedgerCheck
from bubblyphone.core.monitoring.health import run_checks
from bubblyphone.core.monitoring.platform_metrics import disk_bytes
from bubblyphone.core.redis.client import get_redis
from bubblyphone.version import VERSION
from calls.metrics import carrier_label
from calls.models import Analysis, Call, HangupCause, Recording, Transcription
from phone_numbers.carriers.registry import slug_of
from webhooks.metrics import pending
from webhooks.models import WebhookDelivery

RECENT = timedelta(hours=1)
SHOWN = 5
# A vendor is marked if it caused the end of more than this percentage of the last hour's calls.
TOLERATED_PERCENT = 5
LITTLE_FREE_PERCENT = 10
LATE_WEBHOOK_SECONDS = 600
CHECK_OVERDUE = timedelta(days=2)
AFTER_CALL = (("Recordings", Recording), ("Transcriptions", Transcription), ("Analyses", Analysis))


@dataclass(frozen=True, slots=True)
class Vendor:
    """A model or carrier: how many of its calls that ended in the last hour failed because of it."""

    name: str
    calls: int
    failed: int

    @property
    def percent(self) -> int:
        return round(100 * self.failed / self.calls) if self.calls else 0

    @property
    def is_failing(self) -> bool:
        return self.percent > TOLERATED_PERCENT


@dataclass(frozen=True, slots=True)
class Work:
    """Post-call work of the last day: how much is being retried, and how much was given up."""

    name: str
    retrying: int
    failed: int
    reason: str  # of the last failure


@dataclass(frozen=True, slots=True)
class RunningCalls:
    total: int
    rows: list[tuple[str, str, str, int]]  # state, carrier, model, count
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Webhooks:
    due: int
    retrying: int
    oldest_seconds: float
    servers: list[tuple[str, str, int]]  # account, host, waiting

    @property
    def oldest_at(self) -> datetime:
        return timezone.now() - timedelta(seconds=self.oldest_seconds)

    @property
    def is_late(self) -> bool:
        return self.oldest_seconds > LATE_WEBHOOK_SECONDS


@dataclass(frozen=True, slots=True)
class Jobs:
    queued: int
    oldest: datetime | None
    failed: int
    oldest_failure: datetime | None
    latest: list[tuple[str, datetime, str]]  # name, time, link


@dataclass(frozen=True, slots=True)
class Disk:
    free: int
    size: int
    database: int  # bytes of PostgreSQL's data, which may be on another disk

    @property
    def percent_free(self) -> int:
        return round(100 * self.free / self.size)

    @property
    def is_almost_full(self) -> bool:
        return self.percent_free < LITTLE_FREE_PERCENT


@dataclass(frozen=True, slots=True)
class Ledger:
    check: LedgerCheck | None

    @property
    def is_overdue(self) -> bool:
        return self.check is None or self.check.finished_at < timezone.now() - CHECK_OVERDUE


def running_calls() -> RunningCalls:
    counts: dict[tuple[str, str, str], int] = {}
    oldest = None
    for call in Call.objects.running().only("status", "sandbox", "model_slug", "started_at"):
        row = call.get_status_display(), carrier_label(call), call.model_slug or "none"
        counts[row] = counts.get(row, 0) + 1
        oldest = min(oldest or call.started_at, call.started_at)
    rows = [(*row, count) for row, count in sorted(counts.items(), key=lambda item: -item[1])]
    return RunningCalls(sum(counts.values()), rows, oldest)


def vendors() -> list[Vendor]:
    """Models and carriers, the worst first."""
    ended = Call.objects.filter(settled_at__gte=timezone.now() - RECENT)
    models = (
        ended.exclude(model_slug="")
        .values("model_slug")
        .annotate(calls=Count("pk"), failed=Count("pk", filter=Q(hangup_cause=HangupCause.MODEL_FAILED)))
    )
    found = [Vendor(row["model_slug"], row["calls"], row["failed"]) for row in models]
    failed = Count("pk", filter=Q(hangup_cause=HangupCause.CARRIER_FAILED))
    by_carrier: dict[str, Vendor] = {}
    for row in ended.filter(sandbox=False).values("carrier").annotate(calls=Count("pk"), failed=failed):
        name = slug_of(row["carrier"])
        before = by_carrier.get(name, Vendor(name, 0, 0))
        by_carrier[name] = Vendor(name, before.calls + row["calls"], before.failed + row["failed"])
    found += by_carrier.values()
    return sorted(found, key=lambda vendor: (-vendor.percent, -vendor.calls, vendor.name))


def after_calls() -> list[Work]:
    since = timezone.now() - timedelta(days=1)
    found = []
    for name, model in AFTER_CALL:
        retrying, failed = Q(status="pending", attempt_count__gt=0), Q(status="failed", call__settled_at__gte=since)
        rows = model._default_manager.filter(retrying | failed)
        last = rows.order_by(F("finished_at").desc(nulls_first=True)).values_list("reason", flat=True).first()
        found.append(Work(name, rows.filter(retrying).count(), rows.filter(failed).count(), last or ""))
    return found


def webhooks() -> Webhooks:
    """The backlog, and the servers with most of it."""
    backlog = pending()
    waiting = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING)
    urls = waiting.values("developer__email", "url").annotate(count=Count("pk")).order_by("-count", "url")[:SHOWN]
    servers = [(row["developer__email"], _host(row["url"]), row["count"]) for row in urls]
    return Webhooks(int(backlog["due"]), int(backlog["retry"]), backlog["oldest_seconds"], servers)


def _host(url: str) -> str:
    """Without what may be secret in it: a password, the path, parameters."""
    return urlsplit(url).netloc.rpartition("@")[2]


def jobs() -> Jobs:
    waiting = OrmQ.objects.filter(lock__lte=timezone.now()).aggregate(oldest=Min("lock"))["oldest"]
    failures = Failure.objects.order_by("-stopped")
    failed = failures.aggregate(count=Count("pk"), oldest=Min("stopped"))
    latest = [
        (job.func, job.stopped, reverse("admin:django_q_failure_change", args=[job.pk])) for job in failures[:SHOWN]
    ]
    return Jobs(OrmQ.objects.count(), waiting, failed["count"], failed["oldest"], latest)


def disk() -> Disk:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return Disk(**disk_bytes(), database=cursor.fetchone()[0])


def versions() -> Iterable[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        database = cursor.fetchone()[0].split()[0]
    try:
        info = get_redis().info("server")
        redis = f"{info.get('valkey_version') or info['redis_version']}"
    except RedisError:
        redis = "unavailable"
    yield "BubblyPhone", VERSION
    yield "Python", platform.python_version()
    yield "Django", django.get_version()
    yield "PostgreSQL", database
    yield "Redis or Valkey", redis


def summary() -> dict[str, object]:
    """The context of the page."""
    return {
        "now": timezone.now(),
        "parts": run_checks(),
        "calls": running_calls(),
        "vendors": vendors(),
        "after_calls": after_calls(),
        "webhooks": webhooks(),
        "jobs": jobs(),
        "ledger": Ledger(last_check()),
        "disk": disk(),
        "versions": list(versions()),
    }
