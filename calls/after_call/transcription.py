"""Whisper transcription of recordings: the caller's and the agent's channel separately, merged by time.

A job transcribes piece by piece and stores each piece immediately, so that a long call fits into many short jobs and a failure costs one
piece. Charged once, per second of the recording, when everything is transcribed; a recording without speech is free.
"""

import logging
import time
import wave
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.transcription.base import Segment, Transcriber, TranscriptionError
from billing import cost_formulas
from billing.models import LedgerEntry
from bubblyphone.core.backends import load_backend
from bubblyphone.core.errors import InsufficientFunds
from calls import timeline
from calls.after_call import jobs
from calls.after_call.recording_files import open_recording
from calls.after_call.wav_file import StereoReader
from calls.charging.call_prices import WHISPER_PRICE_PER_MINUTE
from calls.models import Call, Recording, TranscriptEntry, Transcription

logger = logging.getLogger(__name__)
# A job this old ends after its current piece; the next one continues.
JOB_SECONDS = 12.0
# By channel of the recording: left is the caller, right the agent.
ROLES = (TranscriptEntry.Role.USER, TranscriptEntry.Role.MODEL)
# Who speaks on the agent's channel after a transfer.
RECIPIENT = "recipient"
# A piece ends at the quietest moment of its last seconds, so that no word is split.
CUT_WITHIN_SECONDS = 10
QUIET_SECONDS = 0.2


def is_wanted(call: Call) -> bool:
    return call.settings.transcription_enabled and call.recording_enabled


def is_expected(call: Call) -> bool:
    """Whether a transcription is still expected: until it is ready or given up, the transcript is not complete."""
    if not is_wanted(call):
        return False
    known = Transcription.objects.filter(call=call).first()
    if known is not None:
        return known.status == Transcription.Status.PENDING
    return Recording.objects.filter(call=call, status=Recording.Status.PENDING).exists()


def begin(call: Call) -> None:
    """The recording of a call is ready: start its transcription if it was requested. Call it in that transaction."""
    if is_wanted(call):
        work, is_new = Transcription.objects.get_or_create(call=call, defaults={"positions_ms": [0, 0]})
        if is_new:
            jobs.start(work)


def without_recording(call: Call, reason: str) -> None:
    """There will be no recording, and so no transcription. Call it in the transaction that records this."""
    if is_wanted(call):
        work, is_new = Transcription.objects.get_or_create(call=call, defaults={"reason": reason})
        if is_new:
            jobs.finish(work, Transcription.Status.FAILED)
            _report_failure(work)


def run(transcription_id: int) -> None:
    """The job: transcribe the next pieces, or finish."""
    work = jobs.claim(Transcription, transcription_id)
    if work is None:
        return
    give_up_at = time.monotonic() + JOB_SECONDS
    transcriber: Transcriber = load_backend(settings.TRANSCRIBER)
    try:
        with open_recording(work.call_id) as file:
            reader = StereoReader(file)
            while not _is_complete(work, reader):
                _transcribe_next(work, reader, transcriber)
                if time.monotonic() >= give_up_at:
                    break
    except (FileNotFoundError, wave.Error, EOFError):
        jobs.failed(work, "The recording no longer exists.", _report_failure, retryable=False)
    except TranscriptionError as error:
        jobs.failed(work, str(error), _report_failure, retryable=error.retryable)
    except Exception:  # each storage raises its own errors
        logger.exception("Reading a recording failed", extra={"call_id": work.call_id})
        jobs.failed(work, "The recording could not be read.", _report_failure, retryable=True)
    else:
        _end_step(work, transcriber, reader)


def _is_complete(work: Transcription, reader: StereoReader) -> bool:
    return all(position >= reader.duration_ms for position in work.positions_ms)


def _transcribe_next(work: Transcription, reader: StereoReader, transcriber: Transcriber) -> None:
    """Transcribe the next piece of the channel that is behind; kept in memory until the step ends."""
    channel = min(range(len(ROLES)), key=lambda one: work.positions_ms[one])
    first = work.positions_ms[channel] * reader.sample_rate // 1000
    pcm16 = reader.read(channel, first, transcriber.max_bytes // 2)
    is_last = first + len(pcm16) // 2 >= reader.frames
    if not is_last:
        pcm16 = pcm16[: 2 * quietest(pcm16, reader.sample_rate)]
    said = transcriber.transcribe(pcm16, reader.sample_rate, work.call.settings.language)
    began = work.positions_ms[channel] / 1000
    segments = [_segment(one, began, ROLES[channel]) for one in said]
    if ROLES[channel] == TranscriptEntry.Role.MODEL:
        _name_recipient(work.call, segments)
    work.segments = sorted([*work.segments, *segments], key=lambda one: one["start"])
    piece_ms = len(pcm16) // 2 * 1000 // reader.sample_rate
    work.positions_ms[channel] = reader.duration_ms if is_last else work.positions_ms[channel] + piece_ms


def _segment(said: Segment, began: float, role: str) -> dict[str, Any]:
    return {
        "start": round(began + said.start, 2), "end": round(began + said.end, 2), "text": said.text, "role": str(role),
    }  # fmt: skip


def _name_recipient(call: Call, segments: list[dict[str, Any]]) -> None:
    """On the agent's channel, segments whose middle is after the transfer were spoken by the recipient."""
    if call.transferred_at is None:
        return
    began_at = Recording.objects.values_list("started_at", flat=True).get(call=call)
    transferred = (call.transferred_at - began_at).total_seconds()
    for segment in segments:
        if (segment["start"] + segment["end"]) / 2 >= transferred:
            segment["role"] = RECIPIENT


def quietest(pcm16: bytes, sample_rate: int) -> int:
    """Where to end a piece: the middle of the quietest moment near its end, in samples."""
    samples = np.abs(np.frombuffer(pcm16, "<i2").astype(np.int32))
    block = int(QUIET_SECONDS * sample_rate)
    start = max(len(samples) // 2, len(samples) - CUT_WITHIN_SECONDS * sample_rate)
    blocks = samples[start : start + (len(samples) - start) // block * block].reshape(-1, block).mean(axis=1)
    return start + int(blocks.argmin()) * block + block // 2 if len(blocks) else len(samples)


def _end_step(work: Transcription, transcriber: Transcriber, reader: StereoReader) -> None:
    work.source = transcriber.source
    with transaction.atomic():
        call = Call.objects.get_for_update(work.call_id)
        if not jobs.is_ours(work):
            return
        work.save(update_fields=["segments", "positions_ms", "source"])
        if not _is_complete(work, reader):
            jobs.go_on(work)
            return
        seconds = -(-reader.frames // reader.sample_rate)
        try:
            is_charged = transcriber.is_charged and work.segments and not call.is_without_model
            work.cost = _charge(call, seconds) if is_charged else Decimal(0)
        except InsufficientFunds:
            work.segments, work.reason = [], "Your balance was too low."
            jobs.finish(work, Transcription.Status.FAILED)
            _report_failure(work)
            return
        jobs.finish(work, Transcription.Status.READY)
        at = timezone.now()
        timeline.add_event(call.pk, "transcription.ready", "system", at=at, made_by=work.source)
        announce(call, at=at)


def _charge(call: Call, seconds: int) -> Decimal:
    cost = jobs.charge(
        call,
        name="whisper",
        kind=LedgerEntry.Kind.TRANSCRIPTION,
        amount=cost_formulas.model_cost(seconds, WHISPER_PRICE_PER_MINUTE),
        what=f"Whisper transcription ({seconds} s)",
    )
    call.transcription_cost += cost
    call.save(update_fields=["transcription_cost"])
    return cost


def _report_failure(work: Transcription) -> None:
    call = Call.objects.get_for_update(work.call_id)
    at = timezone.now()
    timeline.add_event(call.pk, "transcription.failed", "system", at=at, reason=work.reason)
    announce(call, at=at)


def announce(call: Call, *, at: datetime) -> None:
    """Send `call.transcript.ready` once the transcript is complete: from the session, and from Whisper if requested.

    Whichever comes last sends it. The row is locked.
    """
    if not call.transcript_announced or is_expected(call):
        return
    work = Transcription.objects.filter(call=call).first()
    if work is not None:
        timeline.notify(call, "call.transcript.ready", at=at, whisper_status=work.status)
    elif call.transcript.exists():
        timeline.notify(call, "call.transcript.ready", at=at)


def full_text(work: Transcription) -> str:
    """The full text, one line per turn."""
    lines: list[tuple[str, list[str]]] = []
    for segment in work.segments:
        if not lines or lines[-1][0] != segment["role"]:
            lines.append((segment["role"], []))
        lines[-1][1].append(segment["text"])
    return "\n".join(" ".join(texts) for _, texts in lines)
