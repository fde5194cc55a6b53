"""Records spans and exports them over OTLP/HTTP. `bubblyphone.core.monitoring.tracing` loads it only if traces are on.

The SDK reads its own environment variables: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, etc.
"""

import hashlib
import os
import time
from contextvars import ContextVar
from datetime import datetime
from multiprocessing.util import Finalize
from threading import Lock

from django.conf import settings
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bubblyphone.core.monitoring import tracing
from bubblyphone.core.monitoring.tracing import Attributes, Kind
from bubblyphone.version import VERSION

CALL_ID = "bubblyphone.call_id"


class _Ids(RandomIdGenerator):
    """Random ids, except for the span of a whole call."""

    given: ContextVar[tuple[int, int] | None] = ContextVar("given ids", default=None)

    def generate_trace_id(self) -> int:
        ids = self.given.get()
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = self.given.get()
        return ids[1] if ids else super().generate_span_id()


def _make_provider() -> TracerProvider:
    resource = Resource.create(
        {"service.version": VERSION, "service.instance.id": f"{os.uname().nodename}:{os.getpid()}"}
    )
    if not os.environ.get("OTEL_SERVICE_NAME"):
        resource = resource.merge(Resource({"service.name": "bubblyphone"}))
    provider = TracerProvider(id_generator=_Ids(), resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    # The SDK relies on atexit, which forked workers do not run.
    Finalize(None, provider.force_flush, exitpriority=1)
    return provider


_provider = _make_provider()
_tracer = _provider.get_tracer("bubblyphone", VERSION)
_propagator = TraceContextTextMapPropagator()


def flush() -> None:
    """Export ended spans now."""
    _provider.force_flush()


class OpenSpan(tracing.Span):
    """A span that starts now. The SDK's span is created when its trace is known: by `about`, by the first child span, or at the end."""

    def __init__(
        self, name: str, kind: Kind, attributes: Attributes, *, parent: tracing.Span | None, sent_parent: str
    ) -> None:
        self.name = name
        self._kind = SpanKind[kind]
        self._attributes = dict(attributes)
        self._began = time.time_ns()
        self._parent = parent if isinstance(parent, OpenSpan) else None
        self._sent_parent = _context_of(sent_parent)
        self._lock = Lock()
        self._made: trace.Span | None = None
        self._is_over = False

    def about(self, call_id: int) -> None:
        if self._made is None and self._parent is not None:
            self._parent.about(call_id)
        self._make(call_id)

    def note(self, attributes: Attributes) -> None:
        self._attributes |= attributes
        if self._made is not None:
            self._made.set_attributes(attributes)

    def end(self, error: str = "") -> None:
        if self._is_over:
            return
        self._is_over = True
        made = self._make(None)
        made.update_name(self.name)
        if error:
            made.set_status(Status(StatusCode.ERROR, error))
        made.end()

    def _make(self, call_id: int | None) -> trace.Span:
        with self._lock:
            if self._made is None:
                links = [self._sent_parent] if self._sent_parent else []
                context = self._parent._make(call_id).get_span_context() if self._parent is not None else None
                if call_id is not None and (of_call := _call_context(call_id)).trace_id != (
                    context and context.trace_id
                ):
                    links += [context] if context else []
                    context = of_call
                attributes = self._attributes if call_id is None else {**self._attributes, CALL_ID: call_id}
                self._made = _tracer.start_span(
                    self.name,
                    trace.set_span_in_context(trace.NonRecordingSpan(context)) if context else Context(),
                    self._kind,
                    attributes,
                    links=[Link(linked) for linked in links],
                    start_time=self._began,
                )
            return self._made


def _context_of(header: str) -> SpanContext | None:
    """The sender's span, which is only linked: senders do not decide what is recorded."""
    if not header:
        return None
    found = trace.get_current_span(_propagator.extract({"traceparent": header})).get_span_context()
    return found if found.is_valid else None


def _ids_of(call_id: int) -> tuple[int, int]:
    digest = hashlib.sha256(f"{settings.PUBLIC_URL}/calls/{call_id}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def _call_context(call_id: int) -> SpanContext:
    """The span of the whole call. Whether it is sampled follows from its id, so all processes agree."""
    trace_id, span_id = _ids_of(call_id)
    is_sampled = _provider.sampler.should_sample(None, trace_id, "call").decision.is_sampled()
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


def record_call(call_id: int, began_at: datetime, ended_at: datetime, attributes: Attributes) -> None:
    token = _Ids.given.set(_ids_of(call_id))
    try:
        whole = _tracer.start_span(
            "call",
            Context(),
            attributes={**attributes, CALL_ID: call_id},
            start_time=_nanoseconds(began_at),
        )
    finally:
        _Ids.given.reset(token)
    whole.end(_nanoseconds(ended_at))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
