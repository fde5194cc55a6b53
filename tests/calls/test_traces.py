"""Traces as a collector receives them: everything about a call is in one trace, whichever process it happened in."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections
from django.test import Client
from django.utils import timezone
from django_q.tasks import async_task
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agents.providers.registry import get_model
from bubblyphone.core.monitoring import tracing
from calls.control import commands
from calls.live import database_threads, live_call, session_runner
from calls.live.database_threads import in_database
from calls.live.event_writer import WRITER
from calls.models import Call, Recording
from phone_numbers.carriers.media_protocol import StreamStopped
from phone_numbers.carriers.registry import forget_carriers
from tests import carriers
from tests.calls.rows import make_account, make_streaming_number
from tests.calls.scripted import ScriptedCaller
from tests.factories import bearer
from tests.fakes.recording_server import RecordingServer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[RecordingServer]:
    """One collector for all tests: the SDK reads its endpoint once per process, when it is loaded."""
    with RecordingServer() as server:
        yield server


@pytest.fixture
def traced(collector: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> RecordingServer:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    return collector


@pytest.fixture
def carrier(settings: Any) -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        public_key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
        options = {
            "public_key": public_key,
            "api_key": "KEY-secret",
            "connection_id": "c",
            "base_url": f"{server.url}/v2",
        }
        carriers.configure(settings, options)
        settings.MODEL_PROVIDERS = {
            **settings.MODEL_PROVIDERS,
            "google": {"BACKEND": "tests.calls.scripted.ScriptedModel", "OPTIONS": {}},
        }
        get_model.cache_clear()
        yield server
    get_model.cache_clear()
    forget_carriers()


def received(collector: RecordingServer) -> list[Any]:
    """All spans that the collector has received."""
    from bubblyphone.core.monitoring import otel

    otel.flush()
    spans = []
    for request in collector.requests:
        assert request.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            assert names["service.name"] == "bubblyphone"
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    return spans


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def report(kind: str, control: str, **payload: Any) -> dict[str, Any]:
    """A webhook of the carrier."""
    call_fields = {
        "call_control_id": control,
        "call_leg_id": "l",
        "call_session_id": "s",
        "connection_id": "c",
        "client_state": None,
    }
    occurred = timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    event = {"record_type": "event", "event_type": f"call.{kind}", "id": str(uuid.uuid4()), "occurred_at": occurred}
    return {"data": {**event, "payload": {**call_fields, "from": "+15551230000", **payload}}, "meta": {"attempt": 1}}


def deliver(body: dict[str, Any]) -> None:
    raw, timestamp = json.dumps(body).encode(), str(int(time.time()))
    signature = base64.b64encode(KEY.sign(timestamp.encode() + b"|" + raw)).decode()
    headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}
    answer = Client().post("/webhooks/telnyx", raw, content_type="application/json", headers=headers)
    assert answer.status_code == 200


def run_conversation(call: Call) -> None:
    """Run a conversation that the caller ends almost immediately."""

    async def run() -> None:
        caller = ScriptedCaller()
        live = await in_database(live_call.load, call.pk)

        async def on_end(cause: str) -> None:
            pass

        session = asyncio.create_task(session_runner.run_session(live, caller, on_end))
        await asyncio.sleep(0.2)
        caller.incoming.put_nowait(StreamStopped())
        await session

    asyncio.run(run())
    for threads in (commands.THREADS, database_threads.THREADS, WRITER.thread):
        threads.submit(connections.close_all).result()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_redis")
def test_everything_about_a_call_is_in_one_trace(traced: RecordingServer, carrier: RecordingServer) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    deliver(report("initiated", "v3:one", direction="incoming", state="parked", to=number.e164))
    call = Call.objects.get(carrier_call_id="v3:one")
    deliver(report("answered", "v3:one", to=number.e164))
    run_conversation(call)
    headers = {**bearer(developer), "traceparent": f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"}
    assert Client().get(f"/api/v1/calls/{call.pk}?token=of-the-client", headers=headers).status_code == 200
    assert Client().get("/api/v1/models", headers=headers).status_code == 200
    deliver(report("hangup", "v3:one", to=number.e164, hangup_cause="normal_clearing", hangup_source="caller"))
    recording = Recording.objects.create(call=call, maker="platform", made_at=timezone.now())
    async_task("calls.after_call.recordings.fetch", recording.pk, sync=True)
    call.refresh_from_db()

    spans = received(traced)
    (whole,) = (span for span in spans if span.name == "call")
    of_call = [span for span in spans if span.trace_id == whole.trace_id]
    names = [span.name for span in of_call]
    assert names.count("POST /webhooks/<slug:name>") == 3
    assert {
        "telnyx",
        "session",
        "model connection",
        "GET /api/v1/calls/<str:identifier>",
        "calls.after_call.recordings.fetch",
    } <= {*names}
    assert attributes(whole) == {
        "bubblyphone.call_id": call.pk,
        "bubblyphone.direction": "inbound",
        "bubblyphone.mode": "streaming",
        "bubblyphone.model": "gemini-3.1-flash-live",
        "bubblyphone.hangup_cause": "normal_clearing",
    }
    assert (whole.parent_span_id, of_nanoseconds(whole.start_time_unix_nano)) == (b"", call.started_at.timestamp())

    by_id = {span.span_id: span for span in of_call}
    parents = {span.name: by_id[span.parent_span_id].name for span in of_call if span is not whole}
    assert parents["model connection"] == "session"
    assert parents["session"] == parents["GET /api/v1/calls/<str:identifier>"] == "call"
    assert parents["telnyx"] == "POST /webhooks/<slug:name>"
    assert {attributes(span)["bubblyphone.command"] for span in of_call if span.name == "telnyx"} == {"answer"}
    (request,) = (span for span in of_call if span.name.startswith("GET "))
    assert attributes(request)["http.response.status_code"] == 200
    assert [link.trace_id.hex() for link in request.links] == [CALLERS_TRACE]

    (other,) = (span for span in spans if span.name == "GET /api/v1/models")
    assert other.trace_id != whole.trace_id
    text = b"".join(request.body for request in traced.requests)
    assert not any(secret in text for secret in (b"KEY-secret", b"of-the-client", b"15551230000", b"Be brief"))


def of_nanoseconds(nanoseconds: int) -> float:
    return nanoseconds / 1_000_000_000


@pytest.mark.django_db
def test_without_an_endpoint_nothing_is_recorded(collector: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    before = len(collector.requests)
    assert Client().get("/api/v1/models").status_code == 401
    tracing.call_ended(1, datetime.now().astimezone(), datetime.now().astimezone(), {})
    assert tracing.begin("anything") is tracing.begin("anything else")
    assert len(collector.requests) == before
