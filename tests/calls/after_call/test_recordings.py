"""Recordings: stored, downloaded through expiring URLs, deleted."""

import io
import json
import wave
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import FileSystemStorage
from django.db import connection, connections
from django.test import AsyncClient, Client
from django.utils import timezone
from moto.server import ThreadedMotoServer

from accounts import retention
from bubblyphone.core.errors import Conflict
from bubblyphone.storage import private_storage
from calls.after_call import jobs, recording_access, recordings
from calls.after_call.recording_files import draft_path
from calls.after_call.wav_file import WavFile
from calls.control import lifecycle
from calls.dashboard.timeline_chart import timeline_chart_of
from calls.models import Call, CallEvent, Recording
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from tests import carriers, factories
from tests.calls.recorded import BEGAN, RATE, ended_call, record, sine
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.fakes.recording_server import Answer, RecordingServer
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recordings_folder", "empty_redis")]


def recorded_call(**settings: Any) -> Call:
    call = ended_call(**settings)
    record(call, sine(2), bytes(2 * 2 * RATE))
    run_jobs()
    return call


def api(client: Client, call: Call, method: str = "get", path: str = "recording") -> Any:
    headers = factories.bearer(call.developer)
    return getattr(client, method)(f"/api/v1/calls/{call.pk}/{path}", headers=headers)


def events(call: Call) -> list[str]:
    return list(CallEvent.objects.filter(call=call).values_list("event_type", flat=True))


def hooks(call: Call) -> list[dict[str, Any]]:
    return [json.loads(hook.body) for hook in WebhookDelivery.objects.filter(subject=f"call:{call.pk}").order_by("pk")]


async def fetch(url: str, **headers: str) -> Any:
    return await AsyncClient().get(url.removeprefix("http://localhost:8000"), headers=headers)


@pytest.mark.parametrize("token", ["", "x", "a" * 3000])
def test_requesting_a_recording_leaves_the_transaction_open(client: Client, token: str) -> None:
    call = recorded_call()
    url = api(client, call).json()["data"]["recording_url"].removeprefix("http://localhost:8000")
    assert client.get(f"/recordings/{token}" if token else url).status_code == (404 if token else 200)
    assert Call.objects.get(pk=call.pk).status == call.status
    assert not connection.needs_rollback


def test_a_recording_is_stored_announced_and_available(client: Client, recordings_folder: Path) -> None:
    call = recorded_call()
    assert not draft_path(call.pk).exists()
    path = recordings_folder / "calls" / f"{call.pk}.wav"
    assert path.stat().st_mode & 0o777 == 0o600
    with wave.open(str(path)) as file:
        assert (file.getparams()[:4]) == (2, 2, RATE, 2 * RATE)
    assert sorted(events(call)) == ["recording.saved", "recording.started"]
    (hook,) = hooks(call)
    del hook["timestamp"]
    assert hook == {"event": "call.recording.ready", "call_id": str(call.pk), "duration_seconds": 2.0}
    answer = api(client, call)
    assert answer.status_code == 200
    found = answer.json()["data"]
    assert found["recording_url"].startswith("http://localhost:8000/recordings/")
    assert (found["duration_seconds"], found["size_bytes"]) == (2.0, path.stat().st_size)
    stranger = factories.make_developer()
    answer = client.get(f"/api/v1/calls/{call.pk}/recording", headers=factories.bearer(stranger))
    assert answer.status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_the_url_needs_no_key_supports_ranges_and_expires(
    recordings_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await sync_to_async(recorded_call)()
    recording = await Recording.objects.aget(call=call)
    url = recording_access.signed_url(recording).url
    whole = (recordings_folder / "calls" / f"{call.pk}.wav").read_bytes()

    async def download(**headers: str) -> tuple[int, bytes, Any]:
        response = await fetch(url, **headers)
        return response.status_code, b"".join([piece async for piece in response.streaming_content]), response.headers

    status, content, headers = await download()
    assert (status, content) == (200, whole)
    assert (headers["Content-Type"], headers["Accept-Ranges"]) == ("audio/wav", "bytes")
    status, content, headers = await download(range="bytes=100-199")
    assert (status, content, headers["Content-Range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    assert (await download(range="bytes=-50"))[:2] == (206, whole[-50:])
    assert (await download(range=f"bytes={len(whole) - 10}-"))[:2] == (206, whole[-10:])
    assert (await download(range="bytes=5-2"))[0] == 200
    assert (await fetch(url, range=f"bytes={len(whole)}-")).status_code == 416
    with wave.open(io.BytesIO(whole)) as file:
        assert file.getnframes() == 2 * RATE
    assert (await fetch(url[:-1] + ("a" if url[-1] != "a" else "b"))).status_code == 404
    monkeypatch.setattr(recording_access, "URL_LIFE", timedelta(seconds=-1))
    assert (await fetch(url)).status_code == 404
    await sync_to_async(connections.close_all)()


def test_recordings_that_are_pending_or_do_not_exist(client: Client) -> None:
    number = make_streaming_number(make_account())
    plain = make_call(number, BEGAN, status="completed", ended_at=BEGAN)
    assert (api(client, plain).status_code, api(client, plain).json()["message"]) == (
        404,
        "This call was not recorded.",
    )
    running = make_call(number, BEGAN, recording_enabled=True)
    assert api(client, running).status_code == 409
    recordings.session_began(running.pk, at=BEGAN)
    assert (api(client, running).status_code, api(client, running, "delete").status_code) == (409, 409)
    storing = ended_call()
    record(storing, sine(1), sine(1))
    assert api(client, storing).status_code == 409


def test_a_deleted_recording_is_gone(client: Client, recordings_folder: Path) -> None:
    call = recorded_call()
    assert api(client, call, "delete").status_code == 204
    assert api(client, call).status_code == api(client, call, "delete").status_code == 404
    run_jobs()
    assert not (recordings_folder / "calls" / f"{call.pk}.wav").exists()
    assert "recording.deleted" in events(call)


def test_recordings_are_kept_for_the_days_that_the_account_sets(client: Client, recordings_folder: Path) -> None:
    old, young, unlimited = recorded_call(), recorded_call(), recorded_call()
    for call, days in ((old, 8), (young, 6), (unlimited, 4000)):
        Recording.objects.filter(call=call).update(finished_at=timezone.now() - timedelta(days=days))
    for call in (old, young):
        headers = factories.bearer(call.developer)
        assert client.get("/api/v1/recording-retention", headers=headers).json() == {"data": {"days": None}}
        answer = client.put("/api/v1/recording-retention", {"days": 7}, "application/json", headers=headers)
        assert answer.json() == {"data": {"days": 7}}
    for wrong in (0, 3651, "many", 1.5):
        answer = client.put("/api/v1/recording-retention", {"days": wrong}, "application/json", headers=headers)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["days"])
    retention.delete_expired()
    assert [api(client, call).status_code for call in (old, young, unlimited)] == [404, 200, 200]
    assert {path.stem for path in (recordings_folder / "calls").iterdir()} == {str(young.pk), str(unlimited.pk)}


def test_a_closed_account_leaves_no_recording(recordings_folder: Path) -> None:
    call, other = recorded_call(), recorded_call()
    recording_access.delete_all(call.developer_id)
    assert [path.stem for path in (recordings_folder / "calls").iterdir()] == [str(other.pk)]
    making = ended_call()
    record(making, sine(1), sine(1))
    with pytest.raises(Conflict):
        recording_access.delete_all(making.developer_id)


def test_a_recording_whose_session_died_is_stored_after_its_call_ends() -> None:
    call = ended_call()
    record(call, sine(1), sine(1))
    Recording.objects.update(made_at=None, next_attempt_at=None)
    run_jobs()
    recordings.sweep(BEGAN + timedelta(seconds=80))
    assert run_jobs() == 0
    recordings.sweep(BEGAN + timedelta(seconds=120))
    run_jobs()
    assert Recording.objects.get().status == "ready"


@pytest.mark.parametrize("late", [0.0, 0.4, 2.5])
def test_a_recording_starts_when_its_first_sound_was_heard(client: Client, late: float) -> None:
    """However long after the start of the session that was."""
    call = ended_call(seconds=10)
    path = draft_path(call.pk)
    file = WavFile(path, RATE, BEGAN + timedelta(seconds=1 + late))
    file.append(sine(5), sine(5))
    file.close()
    recordings.session_began(call.pk, at=BEGAN + timedelta(seconds=1))
    recordings.session_ended(call.pk, at=BEGAN + timedelta(seconds=6))
    run_jobs()
    recording = Recording.objects.get()
    assert (recording.status, recording.started_at) == ("ready", BEGAN + timedelta(seconds=1 + late))
    strip = timeline_chart_of(call, [], [], [], recording)
    assert strip is not None
    assert strip.wave == (100 + 100 * late, 500)


def test_if_a_session_ends_before_its_call_the_sweeper_stores_the_recording() -> None:
    call = ended_call()
    Call.objects.filter(pk=call.pk).update(status="answered", ended_at=None)
    record(call, sine(1), sine(1))
    Call.objects.filter(pk=call.pk).update(status="completed", ended_at=BEGAN)
    recordings.sweep(BEGAN + timedelta(seconds=4))
    assert run_jobs() == 0
    recordings.sweep(BEGAN + timedelta(seconds=6))
    assert run_jobs() == 1
    assert Recording.objects.get().status == "ready"


def test_a_call_that_continues_after_a_session_can_be_recorded_further() -> None:
    call = ended_call()
    Call.objects.filter(pk=call.pk).update(status="answered", ended_at=None)
    record(call, sine(1), sine(1))
    recordings.sweep(BEGAN + timedelta(days=1))
    assert run_jobs() == 0
    recordings.session_began(call.pk, at=BEGAN)
    Call.objects.filter(pk=call.pk).update(status="completed", ended_at=BEGAN)
    recordings.sweep(BEGAN + timedelta(seconds=1))
    assert run_jobs() == 0
    recordings.session_ended(call.pk, at=BEGAN)
    assert run_jobs() == 1
    assert events(call).count("recording.started") == 1


def test_a_call_without_sound_has_no_recording(client: Client) -> None:
    call = ended_call()
    recordings.session_began(call.pk, at=BEGAN)
    recordings.session_ended(call.pk, at=BEGAN)
    run_jobs()
    answer = api(client, call)
    assert (answer.status_code, "No audio was received." in answer.json()["message"]) == (404, True)
    assert [hook["event"] for hook in hooks(call)] == ["call.recording.failed"]


class FullDisk(FileSystemStorage):
    """Storage that refuses every file while it is full."""

    is_full = True

    def _save(self, name: str, content: Any) -> str:
        if FullDisk.is_full:
            raise OSError("No space left on device")
        return super()._save(name, content)


def test_full_storage_is_retried_until_attempts_run_out(settings: Any, tmp_path: Path) -> None:
    full = {"BACKEND": f"{__name__}.FullDisk", "OPTIONS": {"location": tmp_path / "full"}}
    settings.STORAGES = {**settings.STORAGES, "recordings": full}
    calls = [ended_call(), ended_call()]
    for call in calls:
        record(call, sine(1), sine(1))
    run_jobs()
    assert set(Recording.objects.values_list("status", "attempt_count")) == {("pending", 1)}
    jobs.resume_all()
    assert run_jobs() == 0  # not before the pause ends
    FullDisk.is_full = False
    Recording.objects.filter(call=calls[0]).update(next_attempt_at=timezone.now())
    jobs.resume_all()
    run_jobs()
    FullDisk.is_full = True
    assert Recording.objects.get(call=calls[0]).status == "ready"
    for _ in range(len(jobs.PAUSES)):
        Recording.objects.filter(call=calls[1]).update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
    given_up = Recording.objects.get(call=calls[1])
    assert (given_up.status, given_up.attempt_count) == ("failed", 1 + len(jobs.PAUSES))
    assert [hook["event"] for hook in hooks(calls[1])] == ["call.recording.failed"]


def test_a_sandbox_call_is_recorded_too(client: Client) -> None:
    number = make_streaming_number(make_account(), recording_enabled=True, model_slug="local-offline")
    started = client.post(
        "/api/v1/sandbox/calls",
        {"phone_number_id": number.pk},
        "application/json",
        headers=factories.bearer(number.developer),
    )
    assert started.status_code == 201
    call = Call.objects.get(sandbox=True)
    assert call.recording_enabled
    assert api(client, call).status_code == 409


# --- the carrier's recording------------------------------------------------------------------------------------------


def carrier_call() -> Call:
    number = factories.make_phone_number(
        developer=make_account(), webhook_url="http://127.0.0.1:9/hook", recording_enabled=True
    )
    run_jobs()  # the jobs that the credit started
    ended = {"status": "completed", "ended_at": BEGAN + timedelta(seconds=60)}
    call = make_call(number, BEGAN, mode="webhook", recording_enabled=True, **ended)
    Recording.objects.create(call=call, maker="carrier", next_attempt_at=None, carrier_told_at=BEGAN)
    return call


def saved_event(call: Call, url: str, **fields: Any) -> CarrierEvent:
    named = {"carrier_call_id": call.carrier_call_id or "", **fields}
    return CarrierEvent(
        CarrierEventType.RECORDING_SAVED, f"e{call.pk}", occurred_at=BEGAN, detail=url, **named, carrier="telnyx"
    )


def wav(seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((2, 2, RATE, 0, "NONE", ""))
        out.writeframes(sine(2 * seconds))
    return file.getvalue()


@pytest.mark.parametrize("is_named", [True, False])
def test_the_carriers_recording_is_fetched(recordings_folder: Path, is_named: bool) -> None:
    call = carrier_call()
    with RecordingServer([Answer(200, wav())]) as carrier:
        unnamed = {} if is_named else {"carrier_call_id": "", "client_state": str(call.pk)}
        lifecycle.apply_carrier_event(saved_event(call, f"{carrier.url}/leg.wav?X-Amz-Signature=abc", **unnamed))
        assert run_jobs() == 1
        (request,) = carrier.requests
        assert (request.method, request.path) == ("GET", "/leg.wav?X-Amz-Signature=abc")
        assert "authorization" not in {name.lower() for name in request.headers}
    assert (recordings_folder / "calls" / f"{call.pk}.wav").read_bytes() == wav()
    assert Recording.objects.get().duration_ms == 1000


def test_a_url_in_our_own_network_is_not_fetched(settings: Any) -> None:
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    call = carrier_call()
    with RecordingServer([Answer(200, wav())]) as carrier:
        lifecycle.apply_carrier_event(saved_event(call, f"{carrier.url}/leg.wav"))
        run_jobs()
        assert carrier.requests == []
        carriers.configure(settings, {"base_url": f"{carrier.url}/v2"})  # except from the carrier's own host
        Recording.objects.update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
        assert len(carrier.requests) == 1
    assert Recording.objects.get().status == "ready"


def test_a_carrier_file_that_is_not_audio_fails() -> None:
    call = carrier_call()
    with RecordingServer([Answer(200, b"<html>")]) as carrier:
        lifecycle.apply_carrier_event(saved_event(call, f"{carrier.url}/leg.wav"))
        run_jobs()
    assert Recording.objects.get().status == "failed"


def test_a_silent_carrier_is_given_fifteen_minutes() -> None:
    call = carrier_call()
    recordings.sweep(BEGAN + timedelta(minutes=15))
    assert Recording.objects.get().status == "pending"
    recordings.sweep(BEGAN + timedelta(minutes=17))
    assert Recording.objects.get().status == "failed"
    lifecycle.apply_carrier_event(saved_event(call, "http://127.0.0.1:9/late.wav"))
    assert run_jobs() == 0


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3(settings: Any) -> Iterator[Any]:
    """A bucket on a moto server, configured as recording storage."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="s/ecret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="calls")
    url = f"s3+http://key:s%2Fecret@{host}:{port}/calls/live?region=us-east-1"
    settings.STORAGES = {**settings.STORAGES, "recordings": private_storage("recordings", Path("unused"), url)}
    yield client
    server.stop()


def test_recordings_are_kept_in_s3(s3: Any, client: Client) -> None:
    call = recorded_call()
    (kept,) = s3.list_objects_v2(Bucket="calls")["Contents"]
    assert kept["Key"] == f"live/recordings/calls/{call.pk}.wav"
    assert api(client, call).json()["data"]["size_bytes"] == kept["Size"]
    api(client, call, "delete")
    run_jobs()
    assert "Contents" not in s3.list_objects_v2(Bucket="calls")
