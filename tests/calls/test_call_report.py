"""`call.report`: one event with everything about a call, sent when all of it is complete or has timed out."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from calls import call_report, timeline
from calls.after_call import recording_access
from calls.models import Analysis, Call, Recording, TranscriptEntry, Transcription
from calls.session.turn_clock import TurnTimes
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.described import check_webhook
from tests.factories import bearer, make_endpoint
from webhooks.models import Event, WebhookDelivery

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def ended_call(**fields: Any) -> Call:
    """A call that ended a minute ago, billed, with a complete transcript. Its account has an endpoint, its number a URL."""
    number = make_streaming_number(make_account())
    make_endpoint(number.developer, "https://example.com/events")
    end = {
        "status": "completed", "hangup_cause": "normal_clearing", "ended_at": NOW - timedelta(minutes=1),
        "settled_at": NOW, "transcript_announced": True, "duration_seconds": 60,
    }  # fmt: skip
    return make_call(number, NOW - timedelta(minutes=2), **{**end, **fields})


def reports_sent() -> list[dict[str, Any]]:
    return [json.loads(body) for body in Event.objects.filter(event_type="call.report").values_list("body", flat=True)]


def test_the_report_is_complete_and_sent_once(client: Client) -> None:
    call = ended_call(
        dynamic_variables={"name": "Ada"},
        metadata={"order_id": "7"},
        analysis_result={"sold": True},
        recording_enabled=True,
    )
    TranscriptEntry.objects.create(call=call, role="user", text="Hi.", spoken_at=NOW - timedelta(seconds=80))
    for total_ms in (900, 700, 1500, 800):
        timeline.add_turn(call.pk, TurnTimes(0, 0, total_ms, 0, 0, 0), at=NOW)
    done = {"call": call, "status": "ready", "next_attempt_at": None}
    Recording.objects.create(maker="platform", name="calls/1.wav", **done)
    Analysis.objects.create(**done)
    call_report.send_due(NOW)
    call_report.send_due(NOW + timedelta(hours=1))
    (report,) = reports_sent()
    check_webhook(report)
    assert report["call_id"] == str(call.pk)
    options: dict[str, Any] = {"headers": bearer(call.developer)}
    assert report["call"] == client.get(f"/api/v1/calls/{call.pk}", **options).json()["data"]
    assert (
        report["transcript"]
        == client.get(f"/api/v1/calls/{call.pk}/transcript", **options).json()["data"]["transcript"]
    )
    assert report["diagnosis"] == client.get(f"/api/v1/calls/{call.pk}/diagnosis", **options).json()["data"]
    assert report["analysis"] == {"sold": True}
    assert (report["dynamic_variables"], report["metadata"]) == ({"name": "Ada"}, {"order_id": "7"})
    assert report["answer_times"] == {"count": 4, "median_ms": 800, "p95_ms": 1500}
    assert recording_access.find_by_token(report["recording_url"].rpartition("/")[2]) == call.recording
    (delivery,) = WebhookDelivery.objects.all()
    assert (delivery.endpoint_id is None, delivery.event_type) == (False, "call.report")


def test_the_recordings_url_is_valid_for_7_days() -> None:
    call = ended_call()
    recording = Recording.objects.create(call=call, maker="platform", name="calls/1.wav", status="ready")
    short, long = recording_access.signed_url(recording), recording_access.report_url(recording)
    assert long.expires_at - short.expires_at > timedelta(days=6, hours=22)
    assert short.url.rpartition("/")[2] != long.url.rpartition("/")[2]


@pytest.mark.parametrize("kind", [Recording, Transcription, Analysis])
def test_the_report_waits_for_pending_work_for_up_to_ten_minutes(kind: Any) -> None:
    call = ended_call(recording_enabled=True)
    work = kind.objects.create(call=call)
    call_report.send_due(NOW)
    assert reports_sent() == []
    call_report.send_due(NOW + timedelta(minutes=8, seconds=59))
    assert reports_sent() == []
    call_report.send_due(NOW + timedelta(minutes=9, seconds=1))
    (report,) = reports_sent()
    assert (report["recording_url"], report["analysis"]) == (None, None)
    kind.objects.filter(pk=work.pk).update(status="ready")
    call_report.send_due(NOW + timedelta(minutes=20))
    assert len(reports_sent()) == 1


@pytest.mark.parametrize(
    "missing", [{"transcript_announced": False}, {"settled_at": None}, {"status": "answered", "ended_at": None}]
)
def test_an_unfinished_call_is_not_reported(missing: dict[str, Any]) -> None:
    ended_call(**missing)
    call_report.send_due(NOW)
    assert reports_sent() == []


def test_a_call_that_nobody_answered_is_reported_too() -> None:
    call = ended_call(status="failed", hangup_cause="no_answer", answered_at=None, direction="outbound")
    call_report.send_due(NOW)
    (report,) = reports_sent()
    check_webhook(report)
    assert report["answer_times"] == {"count": 0, "median_ms": None, "p95_ms": None}
    assert (report["diagnosis"]["outcome"], report["diagnosis"]["fault"]) == ("no_answer", "callee")
    assert Call.objects.get(pk=call.pk).reported_at == NOW


def test_a_closed_account_gets_no_report() -> None:
    call = ended_call()
    call.developer.closed_at = NOW
    call.developer.save()
    call_report.send_due(NOW)
    assert reports_sent() == []
    assert Call.objects.get().reported_at == NOW


def test_a_call_that_cannot_be_reported_does_not_block_others() -> None:
    broken, other = ended_call(), ended_call(ended_at=NOW - timedelta(seconds=30))
    nested = "UPDATE calls_call SET analysis_result = (repeat('[', 2000) || repeat(']', 2000))::jsonb WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.execute(nested, [broken.pk])
    call_report.send_due(NOW)
    assert [report["call_id"] for report in reports_sent()] == [str(other.pk)]
    assert list(Call.objects.filter(reported_at=None).values_list("pk", flat=True)) == [broken.pk]
