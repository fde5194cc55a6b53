"""Whisper: channels are transcribed separately, in pieces, merged by time, and charged per second once. Failures cost nothing."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import speech
from agents.transcription import whisper
from billing import ledger
from billing.models import LedgerEntry
from calls.after_call import jobs, recordings, transcription
from calls.after_call.recording_files import draft_path
from calls.charging.ledger_check import check_calls
from calls.clock import sweeper
from calls.models import Call, CallEvent, Transcription
from tests import factories
from tests.calls.recorded import RATE, ended_call, record, sine
from tests.fakes.groq import PATH, FakeGroq
from tests.fakes.web_thread import WebThread
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recordings_folder", "empty_redis")]
SILENCE = bytes(2 * RATE)  # a second


@pytest.fixture
def groq(settings: Any) -> Iterator[FakeGroq]:
    fake = FakeGroq()
    with WebThread(fake.routes()) as server:
        settings.TRANSCRIBER = {
            "BACKEND": "agents.transcription.whisper.WhisperTranscriber",
            "OPTIONS": {
                "api_key": fake.key,
                "base_url": server.url + PATH.removesuffix("/audio/transcriptions"),
                "model": "whisper-large-v3-turbo",
            },
        }
        yield fake


def call_to_transcribe(balance: str = "10", **settings: Any) -> Call:
    return ended_call(balance, transcription_enabled=True, **{"language": "en-US", **settings})


def transcript(client: Client, call: Call) -> dict[str, Any]:
    answer = client.get(f"/api/v1/calls/{call.pk}/transcript", headers=factories.bearer(call.developer))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["data"]
    return found


def transcript_webhooks(call: Call) -> list[dict[str, Any]]:
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type="call.transcript.ready")
    return [json.loads(hook.body) for hook in hooks]


def test_both_sides_are_transcribed_merged_by_time_and_charged_per_second(groq: FakeGroq, client: Client) -> None:
    call = call_to_transcribe()
    groq.answers = [
        [(0.5, 2.0, "What are your hours?"), (6.0, 7.0, "Thank you."), (8.0, 9.0, "?Subtitles by somebody.")],
        [(2.5, 4.0, "We open at nine."), (4.1, 5.0, "Every day.")],
    ]
    record(call, sine(94.2), sine(94.2, 300))
    run_jobs()
    assert [(heard.model, heard.language, heard.sample_rate) for heard in groq.heard] == [
        ("whisper-large-v3-turbo", "en", RATE)
    ] * 2
    assert [round(heard.seconds, 1) for heard in groq.heard] == [94.2, 94.2]
    found = transcript(client, call)
    assert found["whisper_transcript"] == "What are your hours?\nWe open at nine. Every day.\nThank you."
    assert found["whisper_segments"] == [
        {"start": 0.5, "end": 2.0, "text": "What are your hours?", "role": "user"},
        {"start": 2.5, "end": 4.0, "text": "We open at nine.", "role": "model"},
        {"start": 4.1, "end": 5.0, "text": "Every day.", "role": "model"},
        {"start": 6.0, "end": 7.0, "text": "Thank you.", "role": "user"},
    ]
    assert (found["whisper_status"], found["whisper_source"], found["whisper_error"]) == (
        "ready",
        "groq:whisper-large-v3-turbo",
        None,
    )
    call.refresh_from_db()
    assert call.transcription_cost == Decimal("0.048")  # 95 s at 0.03 per minute: 0.0475, rounded half up
    entry = LedgerEntry.objects.get(key=f"call:{call.pk}:whisper")
    assert (entry.kind, entry.amount) == ("transcription", Decimal("-0.048"))
    assert ledger.balance(call.developer_id) == Decimal("10") - Decimal("0.048")


def test_the_channels_are_those_of_caller_and_agent(groq: FakeGroq) -> None:
    call = call_to_transcribe()
    record(call, SILENCE, sine(1))
    run_jobs()
    assert [heard.is_loud for heard in groq.heard] == [True]  # a silent channel is not sent
    groq.answers = []
    other = call_to_transcribe()
    groq.heard.clear()
    groq.answers = [[(0, 1, "Only the caller.")]]
    record(other, sine(1), SILENCE)
    run_jobs()
    assert [segment["role"] for segment in Transcription.objects.get(call=other).segments] == ["user"]


def test_a_long_recording_is_split_at_silence(groq: FakeGroq, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are below the provider's limit, no second is lost or sent twice, and times count from the beginning."""
    monkeypatch.setattr(whisper.WhisperTranscriber, "max_bytes", 2 * RATE * 20)
    monkeypatch.setattr(transcription, "JOB_SECONDS", 0.0)  # one piece per job
    spoken = sine(14) + SILENCE + sine(15) + SILENCE + sine(9)
    call = call_to_transcribe()
    record(call, spoken, bytes(len(spoken)))
    groq.answers = [[(1.0, 2.0, "one")], [(1.0, 2.0, "two")], [(1.0, 2.0, "three")]]
    run_jobs()
    seconds = [heard.seconds for heard in groq.heard]
    assert sum(seconds) == pytest.approx(40, abs=0.01)
    assert 14 < seconds[0] < 15 and 30 < seconds[0] + seconds[1] < 31
    starts = [segment["start"] for segment in transcript(client, call)["whisper_segments"]]
    assert starts == [1.0, round(1 + seconds[0], 2), round(1 + seconds[0] + seconds[1], 2)]
    assert Call.objects.get(pk=call.pk).transcription_cost == Decimal("0.02")  # 40 s


def test_a_failure_is_retried_and_finished_pieces_are_kept(groq: FakeGroq, client: Client) -> None:
    call = call_to_transcribe()
    groq.answers = [[(0, 1, "Hello.")], 503, [(1, 2, "Hi, Ada.")]]
    record(call, sine(2), sine(2))
    run_jobs()
    work = Transcription.objects.get()
    assert (work.status, work.attempt_count) == ("pending", 1)
    assert transcript(client, call)["whisper_transcript"] is None
    assert LedgerEntry.objects.filter(key__endswith=":whisper").count() == 0
    Transcription.objects.update(next_attempt_at=timezone.now())
    jobs.resume_all()
    run_jobs()
    assert transcript(client, call)["whisper_status"] == "ready"
    run_jobs()
    transcription.run(work.pk)  # a job that runs again
    assert LedgerEntry.objects.filter(key__endswith=":whisper").count() == 1


@pytest.mark.parametrize(("status", "attempts"), [(500, 4), (401, 1)])
def test_repeated_failures_are_reported_and_never_charged(
    groq: FakeGroq, client: Client, status: int, attempts: int
) -> None:
    call = call_to_transcribe()
    groq.answers = [status] * 10
    record(call, sine(2), sine(2))
    sweeper.announce_transcripts(timezone.now())
    Call.objects.filter(pk=call.pk).update(transcript_announced=True)
    run_jobs()
    for _ in range(4):
        Transcription.objects.filter(status="pending").update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
    found = transcript(client, call)
    assert len(groq.heard) == attempts
    assert (found["whisper_status"], found["whisper_transcript"]) == ("failed", None)
    assert str(status) in found["whisper_error"]
    assert [hook["whisper_status"] for hook in transcript_webhooks(call)] == ["failed"]
    assert CallEvent.objects.filter(call=call, event_type="transcription.failed").count() == 1
    call.refresh_from_db()
    assert (call.transcription_cost, ledger.balance(call.developer_id)) == (0, 10)


def test_the_transcript_is_announced_once_when_it_is_complete(groq: FakeGroq) -> None:
    quick, slow = call_to_transcribe(), call_to_transcribe()
    for call in (quick, slow):
        call.transcript.create(role="user", text="Hello.", spoken_at=call.started_at)
        call.ended_at = timezone.now() - timedelta(seconds=10)
        call.save()
    record(quick, sine(1), sine(1))
    run_jobs()  # before the session's transcript is known to be complete
    assert transcript_webhooks(quick) == []
    record(slow, sine(1), sine(1))
    sweeper.announce_transcripts(timezone.now())
    assert (len(transcript_webhooks(quick)), len(transcript_webhooks(slow))) == (1, 0)
    run_jobs()
    sweeper.announce_transcripts(timezone.now())
    assert [[hook["whisper_status"] for hook in transcript_webhooks(call)] for call in (quick, slow)] == [
        ["ready"],
        ["ready"],
    ]


def test_a_call_without_transcription_is_announced_as_usual(groq: FakeGroq) -> None:
    call = ended_call()
    call.transcript.create(role="user", text="Hello.", spoken_at=call.started_at)
    Call.objects.filter(pk=call.pk).update(ended_at=timezone.now() - timedelta(seconds=10))
    record(call, sine(1), sine(1))
    sweeper.announce_transcripts(timezone.now())
    run_jobs()
    (hook,) = transcript_webhooks(call)
    assert sorted(hook) == ["call_id", "event", "timestamp"]
    assert groq.heard == []


def test_an_account_that_cannot_pay_gets_nothing_and_is_not_charged(groq: FakeGroq, client: Client) -> None:
    call = call_to_transcribe("0.0004")
    groq.answers = [[(0, 1, "Hello.")]]
    record(call, sine(2), sine(2))
    run_jobs()
    found = transcript(client, call)
    assert (found["whisper_status"], found["whisper_transcript"]) == ("failed", None)
    assert ledger.balance(call.developer_id) == Decimal("0.0004")


def test_without_a_recording_there_is_no_transcription(groq: FakeGroq, client: Client) -> None:
    call = call_to_transcribe()
    draft_path(call.pk).parent.mkdir(exist_ok=True)
    draft_path(call.pk).write_bytes(b"nothing that sounds")
    recordings.session_began(call.pk, at=call.started_at)
    recordings.session_ended(call.pk, at=call.started_at)
    Call.objects.filter(pk=call.pk).update(transcript_announced=True)
    run_jobs()
    assert transcript(client, call)["whisper_status"] == "failed"
    assert [hook["whisper_status"] for hook in transcript_webhooks(call)] == ["failed"]
    assert groq.heard == []


@pytest.mark.parametrize(
    ("segments", "fields", "cost"),
    [
        ([], {}, "0"),
        ([(0.5, 2.0, "  ")], {}, "0"),
        ([(0.5, 2.0, "Hello? Is anybody there?")], {"model_spoke_at": None}, "0"),
        ([(0.5, 2.0, "Hello?")], {"model_spoke_at": None, "mode": "webhook"}, "0.015"),
        ([(0.5, 2.0, "Hello?")], {}, "0.015"),
    ],
)
def test_whisper_is_charged_if_there_was_a_conversation(
    groq: FakeGroq, segments: list[tuple[float, float, str]], fields: dict[str, Any], cost: str
) -> None:
    call = call_to_transcribe()
    Call.objects.filter(pk=call.pk).update(**fields)
    groq.answers = [segments]
    record(call, sine(30), sine(30))
    run_jobs()
    assert Transcription.objects.get().status == "ready"
    assert Call.objects.get(pk=call.pk).transcription_cost == Decimal(cost)
    assert ledger.balance(call.developer_id) == 10 - Decimal(cost)


@pytest.mark.parametrize(
    ("language", "code"), [("nb-NO", "no"), ("fil-PH", "tl"), ("yue-HK", "zh"), ("iw", "he"), ("gsw", "")]
)
def test_whisper_gets_a_language_code_that_it_accepts(groq: FakeGroq, language: str, code: str) -> None:
    record(call_to_transcribe(language=language), sine(2), sine(2))
    run_jobs()
    assert {heard.language for heard in groq.heard} == {code}


def test_the_ledger_agrees_with_the_call(groq: FakeGroq) -> None:
    call = call_to_transcribe()
    groq.answers = [[(0.5, 2.0, "Hello?")]]
    record(call, sine(30), sine(30))
    run_jobs()
    assert list(check_calls()) == []
    assert Call.objects.get(pk=call.pk).total_cost == Decimal("0.015")


@pytest.mark.slow
@pytest.mark.skipif(not speech.is_installed(), reason="needs the offline packages")
def test_the_offline_recognizer_is_named_as_the_source_and_costs_nothing(settings: Any, client: Client) -> None:
    async def say(*texts: str) -> list[bytes]:
        try:
            return [await speech.say_8k(text) for text in texts]
        finally:
            await speech.close()

    settings.TRANSCRIBER = {"BACKEND": "agents.transcription.offline.OfflineTranscriber", "OPTIONS": {}}
    question, answer = asyncio.run(say("What are your opening hours?", "We are open from nine to five."))
    left, right = question + bytes(len(answer)) + SILENCE, bytes(len(question)) + answer + SILENCE
    call = call_to_transcribe()
    record(call, left, right)
    run_jobs()
    found = transcript(client, call)
    assert found["whisper_source"] == "offline:moonshine-tiny-en"
    texts = {segment["role"]: segment["text"].lower() for segment in found["whisper_segments"]}
    assert "opening hours" in texts["user"]
    assert "open" in texts["model"]
    assert "five" in texts["model"]
    starts = {segment["role"]: segment["start"] for segment in found["whisper_segments"]}
    assert starts["user"] < 0.6
    assert starts["model"] == pytest.approx(len(question) / 2 / RATE, abs=0.5)
    assert LedgerEntry.objects.filter(key__endswith=":whisper").count() == 0
