"""`GET /metrics`, for Prometheus. Answered before other middleware, so that scrapers can use each machine's own address."""

import hmac
import logging
import time
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from bubblyphone.core.middleware import Middleware
from bubblyphone.core.monitoring import health, metric_files, tracing
from bubblyphone.core.monitoring.metrics import INSTRUMENTS, Instrument, Sampled, Samples
from bubblyphone.core.monitoring.platform_metrics import READY, note_request
from bubblyphone.core.network.http import is_this_machine

logger = logging.getLogger(__name__)
PATH = "/metrics"
UNTRACED = ("/healthz", "/readyz")  # monitors request these all the time
# A request with any of these came through a proxy, so its origin is unknown.
FORWARDING_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
QUERY_MS = 2000


class MetricsMiddleware(Middleware):
    """Answers /metrics; measures and traces every other request."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == PATH:
            return metrics(request)
        began = time.monotonic()
        response = self._traced(request)
        note_request(request.path_info, response.status_code, time.monotonic() - began)
        return response

    def _traced(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in UNTRACED:
            return self.get_response(request)
        method = request.method or ""
        sent_parent = request.headers.get("traceparent", "")
        with tracing.span(method, tracing.SERVER, {"http.request.method": method}, sent_parent=sent_parent) as span:
            response = self.get_response(request)
            # The route instead of the path, which may contain tokens.
            route = f"/{request.resolver_match.route}" if request.resolver_match else ""
            span.name = f"{method} {route}".strip()
            span.note({"http.route": route, "http.response.status_code": response.status_code})
            if response.status_code >= 500:
                span.end(str(response.status_code))
        return response


def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics as text; 401 or 403 without permission, 405 for other methods."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry()), content_type=content_type, headers={"Cache-Control": "no-store"})


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode()):
            return None
        return _plain("Send METRICS_TOKEN as a bearer token.", 401, {"WWW-Authenticate": "Bearer"})
    is_direct = not any(name in request.headers for name in FORWARDING_HEADERS)
    if is_direct and is_this_machine(request.META.get("REMOTE_ADDR", "")):
        return None
    return _plain("Set METRICS_TOKEN to read metrics from another machine or through a proxy.", 403, {})


def _plain(text: str, status: int, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain", headers=headers)


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(health.run_checks()))
    return registry


class _Everything:
    """Counters of all processes, and samples taken now; fewer while the database is unavailable."""

    def __init__(self, ready: dict[str, bool]) -> None:
        self._ready = ready

    def collect(self) -> Iterable[Metric]:
        yield from metric_files.collect()
        yield _family(READY, (((part,), int(is_there)) for part, is_there in self._ready.items()))
        for instrument in INSTRUMENTS:
            if isinstance(instrument, Sampled) and (self._ready["database"] or not instrument.needs_database):
                try:
                    samples = _ask_database(instrument) if instrument.needs_database else list(instrument.sample())
                except (DatabaseError, RedisError, OSError):
                    logger.warning("%s could not be sampled", instrument.exposed_name, exc_info=True)
                else:
                    yield _family(instrument, samples)


def _ask_database(instrument: Sampled) -> Samples:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {QUERY_MS}")
        return list(instrument.sample())


def _family(instrument: Instrument, samples: Samples) -> Metric:
    family = GaugeMetricFamily(instrument.exposed_name, instrument.help, labels=instrument.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
