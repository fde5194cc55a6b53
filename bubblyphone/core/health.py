"""Health checks: whether the process lives, and whether everything it needs is available."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor, wait

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from django_q.conf import Conf
from django_q.status import Stat
from redis.exceptions import RedisError

from bubblyphone.core.redis import get_redis

logger = logging.getLogger(__name__)

BEAT_KEY = "clock:beat"
BEAT_EVERY_SECONDS = 2
BEAT_LASTS_SECONDS = 8
CHECK_SECONDS = 1.5  # what takes longer counts as unavailable
_threads = ThreadPoolExecutor(4, thread_name_prefix="readiness")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when calls can be made; otherwise 503, and `missing` names what is unavailable. Answers within two seconds."""
    running = {
        "database": _threads.submit(_has_database),
        "redis": _threads.submit(_has_redis),
        "worker": _threads.submit(_has_worker),
        "clock": _threads.submit(_has_clock),
    }
    wait(running.values(), timeout=CHECK_SECONDS)
    checks = {name: check.done() and check.result() for name, check in running.items()}
    missing = [name for name, is_there in checks.items() if not is_there]
    body = {"status": "unavailable" if missing else "ok", "checks": checks, "missing": missing}
    return JsonResponse(body, status=503 if missing else 200)


async def beat() -> None:
    """The clock process's heartbeat. Runs until cancelled."""
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
    except DatabaseError:
        return False
    finally:
        connection.close()
    return True


def _has_redis() -> bool:
    try:
        return bool(get_redis().ping())
    except RedisError:
        return False


def _has_worker() -> bool:
    """A django-q2 cluster keeps its status in the cache for 3 s at a time."""
    try:
        return any(stat.status != Conf.STOPPED for stat in Stat.get_all())
    except RedisError:
        return False


def _has_clock() -> bool:
    try:
        return bool(get_redis().exists(BEAT_KEY))
    except RedisError:
        return False
