"""Health checks: whether the process lives, and whether everything it needs is available."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from django_q.conf import Conf
from django_q.status import Stat
from redis.exceptions import RedisError

from bubblyphone.core.redis.client import get_redis

logger = logging.getLogger(__name__)

BEAT_KEY = "clock:beat"
BEAT_EVERY_SECONDS = 2
BEAT_LASTS_SECONDS = 8
CHECK_SECONDS = 1.5  # slower checks count as unavailable


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when calls can be made; otherwise 503, and `missing` names what is unavailable. Answers within two seconds."""
    checks = run_checks()
    missing = [name for name, is_there in checks.items() if not is_there]
    body = {"status": "unavailable" if missing else "ok", "checks": checks, "missing": missing}
    return JsonResponse(body, status=503 if missing else 200)


def run_checks() -> dict[str, bool]:
    """Whether each part that calls need is available, within two seconds."""
    for check in _CHECKS.values():
        check.begin()
    deadline = time.monotonic() + CHECK_SECONDS
    return {name: check.passes_by(deadline) for name, check in _CHECKS.items()}


def add_check(name: str, run: Callable[[], bool]) -> None:
    """Add a check to this process's /readyz."""
    _CHECKS[name] = _Check(run)


class _Check:
    """A check that may hang: its thread blocks neither the others nor the end of the process. A check that raises fails."""

    def __init__(self, run: Callable[[], bool]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._thread = threading.Thread()
        self._passed = False

    def begin(self) -> None:
        """Start the check, unless the previous one is still running."""
        with self._lock:
            if not self._thread.is_alive():
                self._passed = False
                self._thread = threading.Thread(target=self._note, name="readiness", daemon=True)
                self._thread.start()

    def passes_by(self, deadline: float) -> bool:
        """Whether it has passed; waits until `deadline` (time.monotonic)."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._passed

    def _note(self) -> None:
        with suppress(DatabaseError, RedisError):
            self._passed = self._run()


async def beat() -> None:
    """The clock process's heartbeat. Runs until canceled."""
    while True:
        try:
            await asyncio.to_thread(get_redis().set, BEAT_KEY, "1", ex=BEAT_LASTS_SECONDS)
        except RedisError:
            logger.warning("Writing the clock process's heartbeat failed", exc_info=True)
        await asyncio.sleep(BEAT_EVERY_SECONDS)


def _has_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()
    return True


def _has_worker() -> bool:
    """A django-q2 cluster keeps its status in the cache for 3 s at a time."""
    return any(stat.status != Conf.STOPPED for stat in Stat.get_all())


_CHECKS = {
    "database": _Check(_has_database),
    "redis": _Check(lambda: bool(get_redis().ping())),
    "worker": _Check(_has_worker),
    "clock": _Check(lambda: bool(get_redis().exists(BEAT_KEY))),
}
