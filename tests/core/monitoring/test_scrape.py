"""GET /metrics: who can read it, and its metrics about calls, webhooks, jobs and the ledger."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client.parser import text_string_to_metric_families

from billing import ledger_verification
from bubblyphone.core.audio import PCMU_8K
from bubblyphone.core.monitoring import health, metrics, platform_metrics
from bubblyphone.version import VERSION
from calls.control import lifecycle
from calls.live.event_writer import BatchWriter, EventWriter
from calls.models import Call
from calls.session.audio_counts import AUDIO
from calls.session.turn_clock import TurnTimes
from calls.session.voice_activity import VoiceActivityDetector
from tests.calls.rows import KNOWN, make_account, make_call, make_streaming_number
from webhooks.http.outbound_http import PostResult
from webhooks.models import WebhookDelivery
from webhooks.sending import outcomes

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = re.compile(r"^\| `(bubblyphone_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", re.MULTILINE)
KINDS = {metrics.Counter: "counter", metrics.Histogram: "histogram"}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, an available database may take longer to respond than a monitor would wait."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 30.0)


def scrape(**options: Any) -> dict[str, float]:
    """Every sample as parsed by Prometheus' own parser: `name{label values, ordered by label name}` and its value."""
    answer = Client(**options).get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    return {
        f"{sample.name}{{{','.join(value for _, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


class Growth:
    """How much samples grew since this object was created."""

    def __init__(self) -> None:
        self._before = scrape()

    def of(self, *names: str) -> list[float]:
        after = scrape()
        return [round(after.get(name, 0) - self._before.get(name, 0), 6) for name in names]


# --- access -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "request_", "status"),
    [
        ("", {}, 200),
        ("", {"REMOTE_ADDR": "::1"}, 200),
        ("", {"HTTP_HOST": "10.0.0.11:8000"}, 200),
        ("", {"REMOTE_ADDR": "10.0.0.9"}, 403),
        ("", {"REMOTE_ADDR": ""}, 403),
        ("", {"HTTP_AUTHORIZATION": "Bearer "}, 200),
        ("", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ("", {"HTTP_X_FORWARDED_PROTO": "https"}, 403),
        ("", {"HTTP_X_REAL_IP": ""}, 403),
        ("", {"HTTP_FORWARDED": "for=127.0.0.1"}, 403),
        ("", {"HTTP_VIA": "1.1 proxy"}, 403),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3cret", "REMOTE_ADDR": "10.0.0.9"}, 200),
        ("s3cret", {"HTTP_AUTHORIZATION": "bearer s3cret", "HTTP_X_FORWARDED_FOR": "10.0.0.9"}, 200),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3cre"}, 401),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3crét"}, 401),
        ("s3cret", {"HTTP_AUTHORIZATION": "Basic s3cret"}, 401),
        ("s3cret", {}, 401),
    ],
)
def test_who_can_read(settings: Any, token: str, request_: dict[str, str], status: int) -> None:
    settings.METRICS_TOKEN, settings.ALLOWED_HOSTS = token, ["agents.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    answer = Client(**request_).get("/metrics")
    assert answer.status_code == status
    assert (b"bubblyphone_build_info" in answer.content) is (status == 200)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


def test_other_methods_are_refused() -> None:
    answer = Client().post("/metrics")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert Client().get("/metrics/").status_code == 404


# --- contents ---------------------------------------------------------------------------------------------------------
def test_the_documentation_lists_each_metric_with_its_labels() -> None:
    documented = DOCUMENTED.findall((ROOT / "docs/observability.md").read_text())
    declared = {
        instrument.exposed_name + ("_total" if isinstance(instrument, metrics.Counter) else ""): (
            KINDS.get(type(instrument), "gauge"),
            ", ".join(f"`{label}`" for label in instrument.labels) or "none",
            instrument.help,
        )
        for instrument in metrics.INSTRUMENTS
        if instrument.name not in {"counted", "waited_seconds", "at_work"}
    }
    assert {name: tuple(rest) for name, *rest in documented} == declared


@pytest.mark.parametrize("name", ["prometheus-alerts.yml", "grafana-dashboard.json"])
def test_alert_rules_and_dashboard_use_existing_metrics(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    if name.endswith(".json"):
        json.loads(text)
    known = {found[0] for found in DOCUMENTED.findall((ROOT / "docs/observability.md").read_text())}
    used = {found.removesuffix("_bucket") for found in re.findall(r"\bbubblyphone_\w+", text)}
    assert len(used) > 12
    assert used <= known


def test_metrics_from_the_database() -> None:
    number = make_streaming_number(make_account())
    make_call(number, timezone.now())
    make_call(number, timezone.now(), status="ringing", answered_at=None, model_slug="openai/of-a-developer")
    make_call(number, timezone.now(), sandbox=True, public_id="sandbox_1", carrier_call_id=None)
    make_call(number, timezone.now(), status="completed", ended_at=timezone.now(), settled_at=timezone.now())
    for minutes in (3, 1):
        row = delivery_of(number)
        row.created_at = timezone.now() - timedelta(minutes=minutes)
        row.save()
    WebhookDelivery.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    OrmQ.objects.all().delete()
    OrmQ.objects.create(key="bubblyphone", payload="", lock=timezone.now() - timedelta(seconds=90))
    assert ledger_verification.check_and_note() == KNOWN
    found = scrape()
    running = {name: value for name, value in found.items() if name.startswith("bubblyphone_calls_running")}
    assert running == {
        "bubblyphone_calls_running{telnyx,inbound,gemini-3.1-flash-live,answered}": 1,
        "bubblyphone_calls_running{telnyx,inbound,other,ringing}": 1,
        "bubblyphone_calls_running{browser,inbound,gemini-3.1-flash-live,answered}": 1,
    }
    assert found["bubblyphone_webhooks_pending{due}"] == 1
    assert found["bubblyphone_webhooks_pending{retry}"] == 1
    assert 180 <= found["bubblyphone_webhook_oldest_seconds{}"] < 240
    assert found["bubblyphone_jobs_queued{}"] == 1
    assert 90 <= found["bubblyphone_job_oldest_seconds{}"] < 150
    assert found["bubblyphone_jobs_failed{}"] == 0
    assert found["bubblyphone_ledger_problems{}"] == 1
    assert abs(found["bubblyphone_ledger_checked_timestamp_seconds{}"] - timezone.now().timestamp()) < 60
    assert found[f"bubblyphone_build_info{{{VERSION}}}"] == 1
    assert 0 < found["bubblyphone_disk_bytes{free}"] < found["bubblyphone_disk_bytes{size}"]
    assert [found[f"bubblyphone_ready{{{part}}}"] for part in ("database", "redis", "worker", "clock")] == [1, 1, 0, 0]


# --- counters ---------------------------------------------------------------------------------------------------------
def delivery_of(number: Any) -> WebhookDelivery:
    from webhooks import outbox

    event = outbox.publish(
        developer_id=number.developer_id,
        subject="call:1",
        event_type="call.ended",
        payload={},
        to=[outbox.Address("http://127.0.0.1:9/hook", number.signing_secret_id)],
    )
    return event.deliveries.get()


def test_an_ended_call_is_counted_once(django_capture_on_commit_callbacks: Any) -> None:
    call = make_call(make_streaming_number(make_account()), timezone.now() - timedelta(minutes=1))
    name = "bubblyphone_calls_ended_total{telnyx,silence_timeout,inbound,gemini-3.1-flash-live}"
    growth = Growth()
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        locked = Call.objects.get_for_update(call.pk)
        lifecycle.finish(locked, ended_at=timezone.now(), cause="silence_timeout")
        lifecycle.finish(locked, ended_at=timezone.now(), cause="silence_timeout")
    assert growth.of(name) == [1]


class WritesAtOnce(BatchWriter):
    def put(self, write: Callable[[], object]) -> None:
        write()


def test_answers_and_model_connections_are_counted(django_capture_on_commit_callbacks: Any) -> None:
    call = make_call(make_streaming_number(make_account()), timezone.now())
    times = TurnTimes(carrier_in_ms=20, detection_ms=400, model_ms=300, tool_ms=0, own_ms=3, playout_ms=77)
    growth = Growth()
    with django_capture_on_commit_callbacks(execute=True):
        observer = EventWriter(call.pk, WritesAtOnce())
        observer.turn(times, 0.1)
        for event, labels in (
            ("model.connected", {"model": "gemini-3.1-flash-live-preview"}),
            ("model.failed", {"model": "x", "reason": "Gone.", "refused": False}),
            ("model.failed", {"model": "x", "reason": "No.", "refused": True}),
            ("transfer.failed", {"reason": "No."}),
        ):
            observer.event(event, labels)
    label = "gemini-3.1-flash-live"
    assert growth.of(
        f"bubblyphone_answer_seconds_count{{{label}}}",
        f"bubblyphone_answer_seconds_sum{{{label}}}",
        f"bubblyphone_answer_seconds_bucket{{0.75,{label}}}",
        f"bubblyphone_answer_seconds_bucket{{1.0,{label}}}",
        "bubblyphone_added_latency_seconds_sum{}",
        "bubblyphone_model_connections_total{other,failed}",
        "bubblyphone_model_connections_total{other,refused}",
    ) == [1, 0.8, 0, 1, 0.003, 1, 1]
    assert Call.objects.get(pk=call.pk).turns.count() == 1


@pytest.mark.parametrize(
    ("result", "sample", "given_up"),
    [
        (PostResult(204, "", 40, None), "success", "delivered"),
        (PostResult(503, "", 40, None), "5xx", None),
        (PostResult(404, "", 40, None, is_final=True), "4xx", "failed"),
        (PostResult(None, "", 10_000, "Timed out."), "no_response", None),
        (PostResult(200, "", 40, "Unknown action."), "unusable_answer", None),
    ],
)
def test_webhook_attempts(
    django_capture_on_commit_callbacks: Any, result: PostResult, sample: str, given_up: str | None
) -> None:
    row = delivery_of(make_streaming_number(make_account()))
    growth = Growth()
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):  # the second time, another process has already recorded it
            if result.is_success:
                outcomes.record_arrivals([outcomes.Arrival(row, result, timezone.now())] * 2)
            else:
                outcomes.record_failure(row, result, timezone.now(), [60.0])
    assert growth.of(
        f"bubblyphone_webhook_attempts_total{{{sample}}}",
        "bubblyphone_webhook_attempt_seconds_count{}",
        "bubblyphone_webhooks_total{delivered}",
        "bubblyphone_webhooks_total{failed}",
    ) == [1, 1, given_up == "delivered", given_up == "failed"]


def test_jobs_and_requests() -> None:
    growth = Growth()
    now = timezone.now()
    task = {"success": False, "started": now - timedelta(seconds=2), "stopped": now}
    platform_metrics.note_job(None, func=ledger_verification.verify_nightly, task=task)
    assert Client().get("/api/v1/nowhere").status_code == 404
    assert Client().get("/healthz").status_code == 200
    job = "billing.ledger_verification.verify_nightly"
    assert growth.of(
        f"bubblyphone_jobs_total{{{job},failed}}",
        f"bubblyphone_job_seconds_sum{{{job}}}",
        "bubblyphone_http_requests_total{api,4xx}",
        "bubblyphone_http_requests_total{health,2xx}",
        "bubblyphone_http_request_seconds_count{health}",
    ) == [1, 2, 1, 1, 1]


def test_late_and_lost_frames() -> None:
    """Of 100 frames, one is 150 ms late. Later, ten never arrive."""
    clock = [100.0]
    detector = VoiceActivityDetector(PCMU_8K, now=lambda: clock[0])
    payload = "/" * 212 + "8="  # 160 bytes of µ-law silence

    def hear(count: int, *, late: float = 0.0) -> None:
        for _ in range(count):
            clock[0] += 0.02
            detector_now, clock[0] = clock[0], clock[0] + late
            detector.hear(payload)
            clock[0] = detector_now

    metrics.flush()
    growth, before = Growth(), (AUDIO.heard, AUDIO.late, AUDIO.lost_on_line)
    hear(50)
    hear(1, late=0.15)
    hear(9)
    clock[0] += 0.2
    hear(40)
    assert AUDIO.heard - before[0] == 100
    assert AUDIO.lost_on_line - before[2] == 10
    late = AUDIO.late - before[1]
    assert 1 < late < 40  # until it is clear that ten frames were lost
    metrics.flush()
    assert growth.of(
        "bubblyphone_audio_frames_total{}",
        "bubblyphone_audio_frames_late_total{}",
        "bubblyphone_audio_frames_lost_total{line}",
    ) == [100, late, 10]


def test_no_label_has_a_name_that_prometheus_uses() -> None:
    reserved = {"job", "instance", "le", "quantile", "pid"}
    assert not [instrument.name for instrument in metrics.INSTRUMENTS if reserved & {*instrument.labels}]
