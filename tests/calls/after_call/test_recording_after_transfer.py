"""A recorded call is transferred: the carrier records the rest, and both parts become one file with one clock."""

import io
import wave
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from billing.models import LedgerEntry
from calls.after_call import jobs, recording_access, recordings
from calls.after_call.recording_files import draft_path
from calls.clock import sweeper
from calls.control import inbound
from calls.models import Call, CallEvent, Recording, Transcription, Transfer
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from tests import factories
from tests.calls.after_call.test_transcription import groq as groq
from tests.calls.recorded import BEGAN, RATE, ended_call, record, sine
from tests.fakes.groq import FakeGroq
from tests.fakes.recording_server import Answer, RecordingServer
from tests.jobs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recordings_folder", "empty_redis")]
FIRST, SECOND = 3.0, 2.0  # seconds of each part
TRANSFERRED = BEGAN + timedelta(seconds=FIRST)


@pytest.fixture
def carrier() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def wav(*channels: bytes, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((len(channels), 2, rate, 0, "NONE", ""))
        out.writeframes(np.column_stack([np.frombuffer(channel, "<i2") for channel in channels]).tobytes())
    return file.getvalue()


def silence(seconds: float, rate: int = RATE) -> bytes:
    return bytes(2 * int(seconds * rate))


def transferred_call(**settings: Any) -> Call:
    """A call whose caller hums through the first part; the carrier accepted the command to record the second."""
    call = ended_call(**settings)
    record(call, sine(FIRST), silence(FIRST))
    run_first(call)
    return call


def run_first(call: Call) -> None:
    """Put the recording into the state of waiting for the part after the transfer."""
    Call.objects.filter(pk=call.pk).update(transferred_at=TRANSFERRED)
    Recording.objects.filter(call=call).update(
        next_attempt_at=None, transferred_at=TRANSFERRED, carrier_told_at=TRANSFERRED, made_at=BEGAN
    )
    assert run_jobs() == 1  # finds nothing to do
    call.refresh_from_db()


def report(call: Call, kind: CarrierEventType, detail: str, *, event_id: str = "e", **fields: Any) -> None:
    control = call.carrier_call_id or ""
    inbound.receive(
        CarrierEvent(kind, f"{event_id}{call.pk}", control, BEGAN, detail=detail, **fields, carrier="telnyx")
    )


def saved(call: Call, carrier: RecordingServer, **fields: Any) -> None:
    report(call, CarrierEventType.RECORDING_SAVED, f"{carrier.url}/leg.wav", **fields)


def api(client: Client, call: Call, method: str = "get", path: str = "recording") -> Any:
    return getattr(client, method)(f"/api/v1/calls/{call.pk}/{path}", headers=factories.bearer(call.developer))


def loud_seconds(path: Path) -> list[list[bool]]:
    """For each channel, whether each second is loud."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 2, RATE)
        pair = np.frombuffer(file.readframes(-1), "<i2").reshape(-1, 2)
    seconds = [pair[first : first + RATE] for first in range(0, len(pair) - RATE // 2, RATE)]
    return [[bool(np.abs(second[:, channel]).mean() > 1000) for second in seconds] for channel in (0, 1)]


def saved_events(call: Call) -> list[dict[str, Any]]:
    rows = CallEvent.objects.filter(call=call, event_type="recording.saved")
    return [row.metadata for row in rows]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (wav(silence(SECOND), sine(SECOND)), [[True] * 3 + [False] * 2, [False] * 3 + [True] * 2]),
        (wav(sine(SECOND), silence(SECOND)), [[True] * 5, [False] * 5]),
        (
            wav(silence(SECOND, 16000), sine(2 * SECOND), rate=16000),
            [[True] * 3 + [False] * 2, [False] * 3 + [True] * 2],
        ),
        (wav(sine(SECOND)), [[True] * 5, [False] * 3 + [True] * 2]),  # one channel
    ],
)
def test_both_parts_are_one_file(
    carrier: RecordingServer, client: Client, recordings_folder: Path, part: bytes, expected: list[list[bool]]
) -> None:
    call = transferred_call()
    assert api(client, call).status_code == 409
    carrier.answers = [Answer(200, part)]
    for event_id in ("e", "e", "again"):
        saved(call, carrier, event_id=event_id)
    run_jobs()
    assert len(carrier.requests) == 1
    assert loud_seconds(recordings_folder / "calls" / f"{call.pk}.wav") == expected
    found = api(client, call).json()["data"]
    assert (found["duration_seconds"], found["missing"]) == (pytest.approx(5, abs=0.003), None)
    assert saved_events(call) == [{"duration_seconds": found["duration_seconds"]}]
    assert list((recordings_folder.parent / "recordings-in-progress").iterdir()) == []


@pytest.mark.parametrize(
    ("began", "told", "silent"),
    [
        (timedelta(seconds=2), timedelta(seconds=3), 2),  # commanded again later: the carrier's clock decides
        (timedelta(hours=-1), timedelta(seconds=3), 0),  # its clock is wrong: not before our command
        (timedelta(hours=1), timedelta(seconds=1), 1),  # nor after the carrier accepted it
        (None, timedelta(seconds=1), 1),  # the carrier does not report a start
    ],
)
def test_the_second_part_starts_when_it_was_heard(
    carrier: RecordingServer, recordings_folder: Path, began: timedelta | None, told: timedelta, silent: int
) -> None:
    call = transferred_call()
    Recording.objects.update(carrier_told_at=TRANSFERRED + told)
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    saved(call, carrier, began_at=began and TRANSFERRED + began)
    run_jobs()
    left, right = loud_seconds(recordings_folder / "calls" / f"{call.pk}.wav")
    assert left == [True] * 3 + [False] * silent + [True] * 2
    assert right == [False] * 3 + [False] * silent + [True] * 2


def assert_only_the_first_part(client: Client, call: Call, folder: Path, missing: str) -> None:
    found = api(client, call).json()["data"]
    assert (found["duration_seconds"], found["missing"]) == (FIRST, missing)
    assert loud_seconds(folder / "calls" / f"{call.pk}.wav") == [[True] * 3, [False] * 3]
    assert saved_events(call) == [{"duration_seconds": FIRST, "missing": missing}]
    assert Recording.objects.get(call=call).status == "ready"


def test_a_silent_carrier_is_given_three_minutes(
    client: Client, carrier: RecordingServer, recordings_folder: Path
) -> None:
    call = transferred_call()
    ended = BEGAN + timedelta(seconds=60)
    sweeper.sweep_once(ended + timedelta(minutes=3))  # even if no call is running
    assert (run_jobs(), api(client, call).status_code) == (0, 409)
    with pytest.raises(recording_access.Conflict):
        recording_access.delete_all(call.developer_id)
    sweeper.sweep_once(ended + timedelta(minutes=3, seconds=1))
    run_jobs()
    assert_only_the_first_part(client, call, recordings_folder, "The carrier did not provide it.")
    saved(call, carrier)  # too late
    assert (run_jobs(), carrier.requests) == (0, [])
    recording_access.delete_all(call.developer_id)
    run_jobs()
    assert list((recordings_folder / "calls").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "attempts", "missing"),
    [
        (Answer(404, b""), 4, "The carrier did not provide it: The server responded with status 404."),
        (Answer(503, b""), 4, "The carrier did not provide it: The server responded with status 503."),
        (Answer(200, b"<html>"), 1, "The carrier's file is not an audio file."),
        (Answer(200, wav(sine(1), rate=8001)), 1, "The carrier's file is not an audio file."),
        (Answer(200, b""), 1, "The carrier's file is not an audio file."),
    ],
)
def test_a_second_part_that_cannot_be_fetched_does_not_block_the_first(
    client: Client, carrier: RecordingServer, recordings_folder: Path, answer: Answer, attempts: int, missing: str
) -> None:
    call = transferred_call()
    carrier.answers = [answer]
    saved(call, carrier)
    run_jobs()
    for _ in range(attempts - 1):
        assert api(client, call).status_code == 409
        Recording.objects.update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
    assert len(carrier.requests) == attempts
    assert_only_the_first_part(client, call, recordings_folder, missing)


def test_if_the_carrier_fails_to_record_the_first_part_is_kept(client: Client, recordings_folder: Path) -> None:
    call = transferred_call()
    report(call, CarrierEventType.RECORDING_FAILED, "Internal server error")
    run_jobs()
    assert_only_the_first_part(client, call, recordings_folder, "Carrier: Internal server error")


def test_a_part_reported_before_the_call_ends_is_added_afterwards(
    client: Client, carrier: RecordingServer, recordings_folder: Path
) -> None:
    call = transferred_call()
    Call.objects.filter(pk=call.pk).update(status="answered", ended_at=None)
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    saved(call, carrier)
    assert run_jobs() == 0
    Call.objects.filter(pk=call.pk).update(status="completed", ended_at=BEGAN)
    recordings.sweep(BEGAN + timedelta(seconds=6))
    run_jobs()
    assert api(client, call).json()["data"]["duration_seconds"] == FIRST + SECOND


def test_a_job_that_died_after_joining_the_parts_does_not_join_them_twice(
    client: Client, carrier: RecordingServer, recordings_folder: Path
) -> None:
    call = transferred_call()
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    saved(call, carrier)
    recording = Recording.objects.get()
    recordings.add_part(recording, draft_path(call.pk))
    run_jobs()
    assert api(client, call).json()["data"]["duration_seconds"] == FIRST + SECOND


def test_if_the_session_recorded_nothing_the_second_part_is_kept(
    client: Client, carrier: RecordingServer, recordings_folder: Path
) -> None:
    call = transferred_call()
    draft_path(call.pk).unlink()
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    saved(call, carrier)
    run_jobs()
    assert len(loud_seconds(recordings_folder / "calls" / f"{call.pk}.wav")[0]) >= SECOND
    assert api(client, call).json()["data"]["missing"] is None


def test_deletion_removes_both_parts(client: Client, carrier: RecordingServer, recordings_folder: Path) -> None:
    call = transferred_call()
    assert api(client, call, "delete").status_code == 409
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    saved(call, carrier)
    run_jobs()
    assert api(client, call, "delete").status_code == 204
    run_jobs()
    assert list(recordings_folder.parent.rglob("*.wav")) == []


def test_both_parts_are_transcribed_once_and_billed_per_second(
    groq: FakeGroq, client: Client, carrier: RecordingServer
) -> None:
    groq.answers = [[(0.5, 1.0, "A person, please.")], [(1.0, 2.0, "One moment."), (3.5, 4.5, "This is Grace.")]]
    call = transferred_call(transcription_enabled=True)
    carrier.answers = [Answer(200, wav(sine(SECOND), sine(SECOND)))]
    for event_id in ("e", "again"):
        saved(call, carrier, event_id=event_id)
    run_jobs()
    found = api(client, call, path="transcript").json()["data"]
    assert [(segment["role"], segment["text"]) for segment in found["whisper_segments"]] == [
        ("user", "A person, please."), ("model", "One moment."), ("recipient", "This is Grace."),
    ]  # fmt: skip
    assert [heard.seconds for heard in groq.heard] == [pytest.approx(5, abs=0.01)] * 2
    assert Transcription.objects.count() == 1
    entry = LedgerEntry.objects.get(key=f"call:{call.pk}:whisper")
    assert entry.amount == Decimal("-0.003")  # 5 s at 0.03 per minute: 0.0025, rounded half up


@pytest.mark.parametrize(
    ("mode", "is_recorded", "wants"),
    [("streaming", True, True), ("streaming", False, False), ("webhook", True, False), ("webhook", False, False)],
)
@pytest.mark.parametrize("is_answered", [True, False])
def test_recording_continues_only_for_a_recorded_call_whose_transfer_is_answered(
    mode: str, is_recorded: bool, wants: bool, is_answered: bool
) -> None:
    call = ended_call()
    Call.objects.filter(pk=call.pk).update(
        status="answered", ended_at=None, mode=mode, recording_enabled=is_recorded, settled_at=None
    )
    transfer = Transfer.objects.create(call=call, key="t", to_number="+12025559999", rate=1, requested_at=BEGAN)
    kind = CarrierEventType.ANSWERED if is_answered else CarrierEventType.ENDED
    state = f"{call.pk}:transfer:{transfer.pk}"
    for name in ("a", "b"):
        inbound.receive(
            CarrierEvent(kind, name, "v3:leg", TRANSFERRED, client_state=state, cause="busy", carrier="telnyx")
        )
    awaited = Recording.objects.filter(call=call, transferred_at__isnull=False, part_made_at=None)
    assert awaited.exists() is (wants and is_answered)
