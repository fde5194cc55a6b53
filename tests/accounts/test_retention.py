"""Retention periods of accounts, and the nightly job that deletes expired data."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Task

from accounts import retention
from accounts.extension_points import RETENTION_KINDS
from accounts.models import Developer, RetentionPeriod
from bubblyphone.core.background.jobs import delete_old_logs
from bubblyphone.core.errors import StorageUnavailable
from calls import retention as calls_retention
from calls.after_call import recording_access
from calls.models import Call, CallEvent, Recording, ScheduledCall, TranscriptEntry, Transcription
from phone_numbers.models import Verification, VerificationDocument
from tests.calls.conftest import recordings_folder
from tests.calls.rows import describe_call, make_account, make_call, make_streaming_number
from tests.factories import bearer, make_developer
from tests.jobs import run_jobs
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.phone_numbers.conftest import documents
from tests.plans import analyze, measure_reads
from webhooks.models import WebhookAttempt, WebhookDelivery

__all__ = ["documents", "recordings_folder"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
URL = "/api/v1/retention"
NOTHING_SET = dict.fromkeys(["recordings", "transcripts", "events", "webhook_logs", "documents"])


def old_call(developer: Developer, days: int, **fields: Any) -> Call:
    """A call that ended this many days ago, with a transcript and a timeline."""
    began = timezone.now() - timedelta(days=days)
    values = {
        "status": "completed",
        "ended_at": began,
        "settled_at": began,
        "analysis_result": {"mood": "good"},
        "hangup_cause": "normal_clearing",
    }
    call = make_call(make_streaming_number(developer), began, **{**values, **fields})
    TranscriptEntry.objects.create(call=call, role="user", text="My name is Ada.", spoken_at=began)
    CallEvent.objects.create(call=call, event_type="call.ended", source="system", event_timestamp=began)
    Transcription.objects.create(call=call, status="ready", segments=[{"text": "My name is Ada."}])
    return call


def delivery(developer: Developer, days: int, status: str = "delivered") -> WebhookDelivery:
    number = make_streaming_number(developer)
    made = WebhookDelivery.objects.create(
        developer=developer, signing_secret=number.signing_secret, webhook_id=uuid4(), subject="call:1", url="https://example.com",
        event_type="call.hangup", body='{"text":"My name is Ada."}', status=status,
        created_at=timezone.now() - timedelta(days=days),
    )  # fmt: skip
    WebhookAttempt.objects.create(delivery=made, number=1, latency_ms=1, success=True, response_body="{}")
    return made


def said(call: Call) -> tuple[int, list[Any], Any]:
    call.refresh_from_db()
    segments = Transcription.objects.get(call=call).segments
    return TranscriptEntry.objects.filter(call=call).count(), segments, call.analysis_result


def test_the_api_shows_and_sets_each_kind() -> None:
    developer, stranger = make_developer(), make_developer()
    client = Client(headers=bearer(developer, is_admin=True))
    assert client.get(URL).json() == {"data": NOTHING_SET}
    answer = client.put(URL, {"transcripts": 30, "events": 3650}, "application/json")
    assert answer.json() == {"data": {**NOTHING_SET, "transcripts": 30, "events": 3650}}
    answer = client.put(URL, {"transcripts": None}, "application/json")
    assert answer.json() == {"data": {**NOTHING_SET, "events": 3650}}
    for body, field in (({"events": 0}, "events"), ({"events": 3651}, "events"), ({"calls": 5}, "calls")):
        refused = client.put(URL, body, "application/json")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [field])
    standard = Client(headers=bearer(developer)).put(URL, {"events": 1}, "application/json")
    assert (standard.status_code, standard.json()["reason"]) == (403, "admin_key_required")
    assert client.get(URL).json() == {"data": {**NOTHING_SET, "events": 3650}}
    assert Client(headers=bearer(stranger)).get(URL).json() == {"data": NOTHING_SET}


def test_the_page_explains_and_saves_each_kind() -> None:
    developer = make_developer()
    client = signed_in_client(developer)
    html = client.get("/account/data").content.decode()
    assert_valid_page(html)
    assert all(kind.title in html and kind.text[:20] in html for kind in RETENTION_KINDS)
    assert client.post("/account/data", {"transcripts": "90", "documents": ""})["Location"] == "/account/data"
    assert retention.periods_of(developer) == {**NOTHING_SET, "transcripts": 90}
    refused = client.post("/account/data", {"transcripts": "0"})
    assert refused.status_code == 200
    assert retention.periods_of(developer) == {**NOTHING_SET, "transcripts": 90}


def test_old_transcripts_are_deleted_in_batches_and_new_ones_and_other_accounts_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls_retention, "BATCH", 2)
    developer, other = make_account(), make_account()
    variables = {"dynamic_variables": {"name": "Ada"}, "metadata": {"order": "A-7"}}
    old = [old_call(developer, days, **variables) for days in (8, 9, 9, 30)]
    old.append(old_call(developer, 31, **variables, transcript_deleted_at=timezone.now()))  # deleted by its owner
    running = old_call(developer, 9, status="answered", ended_at=None, settled_at=None, **variables)
    young, strange = old_call(developer, 6), old_call(other, 400)
    retention.set_periods(developer, {"transcripts": 7})
    retention.delete_expired()
    assert [said(call) for call in old] == [(0, [], None)] * 5
    assert [said(call)[0] for call in (running, young, strange)] == [1, 1, 1]
    assert [(call.dynamic_variables, call.metadata) for call in old] == [({}, {})] * 5
    assert (running.dynamic_variables, running.metadata) == tuple(variables.values())
    assert CallEvent.objects.count() == 8
    assert Call.objects.filter(transcript_deleted_at=None).count() == 3
    page = signed_in_client(developer).get(f"/calls/{old[0].pk}").content.decode()
    assert "Deleted under your" in page
    # A second run has nothing to do.
    assert list(calls_retention.delete_transcripts(developer.pk, timezone.now() - timedelta(days=7))) == []


def test_finished_scheduled_calls_lose_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_retention, "BATCH", 2)
    developer, other = make_account(), make_account()
    old = [scheduled_call(developer, 8, status) for status in ("dialed", "not_dialed", "canceled")]
    recent = [scheduled_call(developer, 6, "dialed"), scheduled_call(developer, None, "waiting")]
    recent.append(scheduled_call(other, 8, "dialed"))
    retention.set_periods(developer, {"transcripts": 7})
    retention.delete_expired()
    left = dict(ScheduledCall.objects.values_list("pk", "dynamic_variables"))
    assert left == {**{call.pk: {} for call in old}, **{call.pk: {"name": "Ada"} for call in recent}}
    assert list(calls_retention.delete_transcripts(developer.pk, timezone.now() - timedelta(days=7))) == []


def scheduled_call(developer: Developer, days: int | None, status: str) -> ScheduledCall:
    """A scheduled call, decided this many days ago unless `None`."""
    now = timezone.now()
    return ScheduledCall.objects.create(
        developer=developer, phone_number=make_streaming_number(developer), has_own_agent=False, to_number="+12025550123",
        dynamic_variables={"name": "Ada"}, due_at=now - timedelta(days=days or 30), time_zone="UTC", status=status,
        decided_at=None if days is None else now - timedelta(days=days),
    )  # fmt: skip


def test_old_timelines_and_webhook_logs_are_deleted() -> None:
    developer = make_account()
    old_entry, young = old_call(developer, 31), old_call(developer, 29)
    expired, recent, waiting = delivery(developer, 31), delivery(developer, 29), delivery(developer, 31, "pending")
    retention.set_periods(developer, {"events": 30, "webhook_logs": 30})
    retention.delete_expired()
    assert list(CallEvent.objects.values_list("call_id", flat=True)) == [young.pk]
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == {recent.pk, waiting.pk}
    assert not WebhookAttempt.objects.filter(delivery_id=expired.pk).exists()
    assert said(old_entry)[0] == 1


def test_documents_that_are_no_longer_needed_are_deleted(documents: Path) -> None:
    developer, now = make_developer(), timezone.now()
    ages = {
        "rejected": {"status": "rejected", "reviewed_at": now - timedelta(days=40)},
        "expired": {"status": "approved", "expires_on": now.date() - timedelta(days=40)},
        "in force": {"status": "approved", "reviewed_at": now - timedelta(days=400)},
        "recently rejected": {"status": "rejected", "reviewed_at": now - timedelta(days=5)},
    }
    for country, (name, fields) in zip(("GB", "DE", "FR", "IT"), ages.items(), strict=True):
        made = Verification.objects.create(developer=developer, country_code=country, number_type="local", **fields)
        document = VerificationDocument(
            verification=made, requirement_id=name, name=name, content_type="application/pdf"
        )
        document.file.save("proof.pdf", ContentFile(b"%PDF-1"))
    retention.set_periods(developer, {"documents": 30})
    retention.delete_expired()
    names = VerificationDocument.objects.exclude(file="").values_list("name", flat=True)
    assert sorted(names) == ["in force", "recently rejected"]
    assert len(list(documents.rglob("*.pdf"))) == 2
    assert Verification.objects.count() == 4


def test_a_file_that_the_storage_cannot_delete_does_not_block_anything_else(
    documents: Path, recordings_folder: Path
) -> None:
    """Its account's other files and later accounts are still processed, and the job fails."""
    now, accounts = timezone.now(), [make_account(), make_account()]
    for developer in accounts:
        made = Verification.objects.create(
            developer=developer,
            country_code="GB",
            number_type="local",
            status="rejected",
            reviewed_at=now - timedelta(40),
        )
        for name in ("kept", "gone"):
            document = VerificationDocument(
                verification=made, requirement_id=name, name=name, content_type="application/pdf"
            )
            document.file.save("proof.pdf", ContentFile(b"%PDF-1"))
            recording = storages["recordings"].save(f"calls/{name}-{developer.pk}.wav", ContentFile(b"RIFF"))
            Recording.objects.create(
                call=old_call(developer, 40),
                status="ready",
                maker="platform",
                name=recording,
                finished_at=now - timedelta(40),
            )
        retention.set_periods(developer, {"documents": 30, "recordings": 30})
    blocked_document = VerificationDocument.objects.filter(name="kept").order_by("pk")[0]
    blocked = [documents / blocked_document.file.name, recordings_folder / f"calls/kept-{accounts[0].pk}.wav"]
    for path in blocked:  # a directory that is not empty cannot be unlinked
        path.unlink()
        (path / "x").mkdir(parents=True)
    with pytest.raises(StorageUnavailable):
        retention.delete_expired()
    assert list(VerificationDocument.objects.exclude(file="").values_list("pk", flat=True)) == [blocked_document.pk]
    assert Recording.objects.filter(deleted_at=None).count() == 0
    assert Recording.objects.exclude(name="").count() == 1
    with pytest.raises(StorageUnavailable):
        recording_access.erase_deleted()
    for path in blocked:
        (path / "x").rmdir()
    retention.delete_expired()
    recording_access.erase_deleted()
    assert not VerificationDocument.objects.exclude(file="").exists()
    assert not Recording.objects.exclude(name="").exists()


def test_a_long_run_continues_in_another_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(calls_retention, "BATCH", 1)
    developers = [make_account(), make_account()]
    calls = [old_call(developer, 9) for developer in developers]
    for developer in developers:
        retention.set_periods(developer, {"transcripts": 7})
    waiting = OrmQ.objects.count()
    retention.delete_expired()
    assert [said(call)[0] for call in calls] == [0, 1]
    assert OrmQ.objects.count() == waiting + 1
    while run_jobs():
        pass
    assert [said(call)[0] for call in calls] == [0, 0]
    assert RetentionPeriod.objects.count() == 2


def test_a_later_run_reads_only_what_has_become_due() -> None:
    developer, started = make_account(), timezone.now()
    number = make_streaming_number(developer)
    earlier = [old_call(developer, days) for days in (900, 800)]
    Call.objects.bulk_create(
        describe_call(
            number, timezone.now() - timedelta(days=700), status="completed", ended_at=timezone.now(), settled_at=timezone.now(),
            carrier_call_id=f"v3:{place}",
        )
        for place in range(1000)
    )  # fmt: skip
    running = old_call(developer, 60, status="answered", ended_at=None, settled_at=None)
    retention.set_periods(developer, {"transcripts": 30, "events": 30})
    retention.delete_expired()
    assert [said(call)[0] for call in (*earlier, running)] == [0, 0, 1]
    assert {period.deleted_before for period in RetentionPeriod.objects.all()} == {running.started_at}
    # The next night: a call has become due, and one has ended that was running, for example because the machine was off for a month.
    Call.objects.filter(pk=running.pk).update(status="completed", ended_at=timezone.now(), settled_at=timezone.now())
    due = old_call(developer, 30)
    analyze(Call)
    reading = measure_reads(retention.delete_expired)
    assert [said(call)[0] for call in (running, due)] == [0, 0]
    assert not CallEvent.objects.exists()
    assert reading.rows < 500
    for period in RetentionPeriod.objects.all():
        assert period.deleted_before is not None
        assert started - timedelta(days=30) <= period.deleted_before <= timezone.now() - timedelta(days=30)
    # A shorter period deletes what it newly covers, and a new one starts from the first call.
    younger = old_call(developer, 20)
    retention.set_periods(developer, {"transcripts": 10})
    retention.delete_expired()
    assert said(younger)[0] == 0
    retention.set_periods(developer, {"transcripts": None})
    retention.set_periods(developer, {"transcripts": 10})
    assert RetentionPeriod.objects.get(kind="transcripts").deleted_before is None


def test_old_job_logs_are_deleted(settings: Any) -> None:
    settings.JOB_LOG_DAYS = 30
    for name, success, age in (
        ("failed", False, timedelta(days=29)),
        ("failed long ago", False, timedelta(days=31)),
        ("done", True, timedelta(minutes=59)),
        ("done long ago", True, timedelta(minutes=61)),
    ):
        stopped = timezone.now() - age
        Task.objects.create(id=uuid4().hex, name=name, func="f", started=stopped, stopped=stopped, success=success)
    delete_old_logs()
    assert set(Task.objects.values_list("name", flat=True)) == {"failed", "done"}
