"""Checks the traces that an OpenTelemetry collector received over OTLP/HTTP: everything about a call must be in one trace."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fakes.recording_server import RecordingServer
from tests.operations.output import say

CALL = "bubblyphone.call_id"
# The carrier's webhooks and our commands, the session and its model connection.
PARTS = ("call", "POST /webhooks/<slug:name>", "telnyx", "session", "model connection")


def spans(collector: RecordingServer) -> list[Any]:
    """All received spans."""
    requests = [ExportTraceServiceRequest.FromString(request.body) for request in collector.requests]
    scopes = [scope for request in requests for resource in request.resource_spans for scope in resource.scope_spans]
    return [span for scope in scopes for span in scope.spans]


def problems(collector: RecordingServer, call_ids: Iterable[int], *more: str) -> list[str]:
    """Problems with the traces of these calls, which must also have `more` spans."""
    found: dict[int, set[bytes]] = defaultdict(set)
    names: dict[bytes, list[str]] = defaultdict(list)
    for span in spans(collector):
        names[span.trace_id].append(span.name)
        for pair in span.attributes:
            if pair.key == CALL:
                found[pair.value.int_value].add(span.trace_id)
    wrong = []
    for call_id in call_ids:
        traces = found[call_id]
        here = [name for trace in traces for name in names[trace]]
        say(f"call {call_id}: {len(traces)} trace with {len(here)} spans: {', '.join(sorted(set(here)))}")
        if len(traces) != 1:
            wrong.append(f"call {call_id} is in {len(traces)} traces")
        wrong += [f"call {call_id} has no span {name!r}" for name in (*PARTS, *more) if name not in here]
    return wrong
