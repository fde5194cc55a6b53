"""Recordings of calls: started, moved into the storage, made available, deleted.

A streaming call is recorded by its session (`calls.live.call_recorder`) into a local file; any other call by the carrier, which reports
where to download it. After a transfer the session is gone, and the carrier records the rest of a streaming call too. A job stores
everything as one file. The call's row is the lock.
"""

import logging
import wave
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Least
from django.utils import timezone

from bubblyphone.core.network.waiting import run_waiting
from calls import timeline
from calls.after_call import jobs, transcription
from calls.after_call.recording_files import draft_path, storage
from calls.after_call.recording_joining import join
from calls.after_call.wav_file import StereoReader, began_at
from calls.models import ENDED_STATUSES, Call, Recording
from phone_numbers.carriers.capabilities import Recording as CarrierRecording
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.registry import get_carrier
from webhooks.http.outbound_http import DownloadFailed, OutboundClient

logger = logging.getLogger(__name__)
# A session that died leaves its recording unfinished. We wait this long after the end of the call.
ABANDONED_AFTER = timedelta(seconds=30)
# If a second session took over, it may still be writing when the first one has finished.
WRITTEN_AFTER = timedelta(seconds=5)
# The carrier reports a recording within seconds of the call's end.
CARRIER_OVERDUE_AFTER = timedelta(minutes=15)
# A session's recording waits less long for the part after a transfer.
PART_OVERDUE_AFTER = timedelta(minutes=3)
# A download must fit into a one-minute job; one hour of a call is 115 MB.
DOWNLOAD_SECONDS = 50.0
MAX_BYTES = 1_000_000_000


# --- by the session ---------------------------------------------------------------------------------------------------
def session_began(call_id: int, *, at: datetime) -> None:
    """A session starts recording its call, or continues the recording of an earlier session."""
    recording, is_new = Recording.objects.get_or_create(
        call_id=call_id, defaults={"maker": Recording.Maker.PLATFORM, "started_at": at, "next_attempt_at": None}
    )
    if is_new:
        timeline.add_event(call_id, "recording.started", "streaming", at=at)
    else:
        earlier = Least("started_at", Value(at))  # the row may belong to a transfer that came first
        Recording.objects.filter(pk=recording.pk).update(made_at=None, started_at=earlier)


def session_ended(call_id: int, *, at: datetime) -> None:
    """The session has finished writing. Once the call is over, the recording is complete; until then another session may follow."""
    unfinished().filter(call_id=call_id).update(made_at=at)
    _complete_made(unfinished().filter(call_id=call_id))


# --- by the carrier ---------------------------------------------------------------------------------------------------


def on_carrier_saved(call: Call, event: CarrierEvent) -> None:
    """The carrier reports where to download its recording, for ten minutes. The call's row is locked."""
    of_call = unfinished().filter(call=call)
    whole, part = of_call.filter(maker=Recording.Maker.CARRIER), of_call.filter(PART_AWAITED)
    if whole.update(carrier_url=event.detail, made_at=event.occurred_at):
        complete(whole)
    elif part.update(carrier_url=event.detail, part_made_at=timezone.now(), part_began_at=event.began_at):
        _complete_made(of_call)


def on_carrier_failed(call: Call, event: CarrierEvent) -> None:
    recording = unfinished().filter(call=call).first()
    if recording is not None:
        carrier_failed(recording, f"Carrier: {event.detail}")


def carrier_failed(recording: Recording, reason: str) -> None:
    """The carrier has no recording; what the session recorded before a transfer is still stored."""
    if recording.maker == Recording.Maker.CARRIER:
        jobs.failed(recording, reason, report_failure, retryable=False)
        return
    awaited = unfinished().filter(PART_AWAITED, pk=recording.pk)
    awaited.update(part_made_at=timezone.now(), missing=reason[:300])
    _complete_made(unfinished().filter(pk=recording.pk))


# --- complete ---------------------------------------------------------------------------------------------------------
PART_AWAITED = Q(transferred_at__isnull=False, part_made_at=None)


def unfinished() -> QuerySet[Recording]:
    return Recording.objects.filter(status=Recording.Status.PENDING, next_attempt_at=None)


def has_unfinished() -> bool:
    """Whether `sweep` may have work."""
    return unfinished().exists()


def _complete_made(recordings: QuerySet[Recording]) -> None:
    """Complete the recordings of ended sessions and calls that have all their parts."""
    complete(recordings.filter(~PART_AWAITED, made_at__isnull=False, call__status__in=ENDED_STATUSES))


def complete(recordings: QuerySet[Recording]) -> None:
    """Have these recordings stored."""
    with transaction.atomic():
        for recording in recordings.select_for_update(of=("self",), skip_locked=True):
            recording.next_attempt_at = timezone.now()
            recording.save(update_fields=["next_attempt_at"])
            jobs.start(recording)


def sweep(now: datetime) -> None:
    """A rule of `calls.clock.sweeper`: recordings that can be completed, and those whose recorder stopped responding."""
    waiting = unfinished().filter(call__status__in=ENDED_STATUSES)
    is_abandoned = Q(made_at=None, call__ended_at__lt=now - ABANDONED_AFTER)
    is_made = Q(made_at__isnull=False, call__ended_at__lt=now - WRITTEN_AFTER)
    by_carrier = Q(maker=Recording.Maker.CARRIER, call__ended_at__lt=now - CARRIER_OVERDUE_AFTER)
    for recording in waiting.filter(by_carrier | PART_AWAITED & Q(call__ended_at__lt=now - PART_OVERDUE_AFTER)):
        carrier_failed(recording, "The carrier did not provide it.")
    complete(waiting.filter(~PART_AWAITED, is_abandoned | is_made, maker=Recording.Maker.PLATFORM))


# --- into the storage -------------------------------------------------------------------------------------------------
def fetch(recording_id: int) -> None:
    """The job: store a recording, using a temporary local file."""
    recording = jobs.claim(Recording, recording_id)
    if recording is None:
        return
    name, draft = f"calls/{recording.call_id}.wav", draft_path(recording.call_id)
    try:
        if not storage().exists(name):
            _store(recording, name, draft)
        with storage().open(name) as stored:
            recording.duration_ms, recording.size_bytes = _duration_ms(stored), stored.size
    except FileNotFoundError:
        jobs.failed(recording, "No audio was received.", report_failure, retryable=False)
    except (wave.Error, EOFError):
        jobs.failed(recording, "The recording is not an audio file.", report_failure, retryable=False)
    except DownloadFailed as error:
        jobs.failed(recording, f"The carrier did not provide it: {error}", report_failure, retryable=True)
    except Exception:  # each storage raises its own errors
        logger.exception("Storing a recording failed", extra={"call_id": recording.call_id})
        jobs.failed(recording, "The recording could not be stored.", report_failure, retryable=True)
    else:
        _report(recording, name)
        draft.unlink(missing_ok=True)


def _store(recording: Recording, name: str, draft: Path) -> None:
    if recording.maker == Recording.Maker.CARRIER:
        _download(recording, draft)
    else:
        if recording.transferred_at is not None and not recording.missing:
            add_part(recording, draft)
        recording.started_at = began_at(draft)
        Recording.objects.filter(pk=recording.pk).update(started_at=recording.started_at)
    with draft.open("rb") as file:
        _duration_ms(file)
        file.seek(0)
        storage().save(name, File(file))


def add_part(recording: Recording, draft: Path) -> None:
    """Append the carrier's part. If it cannot be downloaded at the last attempt, it is noted as missing."""
    part = draft.with_name(f"{recording.call_id}.transfer.wav")
    try:
        _download(recording, part)
        join(draft, part, whole_began_at=recording.started_at, part_began_at=_part_began_at(recording))
    except DownloadFailed as error:
        if not jobs.is_last_attempt(recording):
            raise
        recording.missing = f"The carrier did not provide it: {error}"[:300]
    except (wave.Error, EOFError):
        recording.missing = "The carrier's file is not an audio file."
    finally:
        part.unlink(missing_ok=True)
    Recording.objects.filter(pk=recording.pk).update(missing=recording.missing)


def _part_began_at(recording: Recording) -> datetime:
    """The start of the carrier's part by our clock: the carrier's may differ, but the recording began between our command and the
    carrier's answer or our next command.
    """
    assert recording.transferred_at is not None
    assert recording.part_made_at is not None
    latest = max(recording.transferred_at, recording.carrier_told_at or recording.part_made_at)
    return min(max(recording.part_began_at or latest, recording.transferred_at), latest)


def _duration_ms(file: IO[Any]) -> int:
    return StereoReader(file).duration_ms


def _download(recording: Recording, path: Path) -> None:
    url = recording.carrier_url
    # A private address is believed at the carrier that the operator named, and nowhere else; the same holds for its credentials.
    headers = get_carrier(recording.call, CarrierRecording).download_headers(url)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def download() -> None:
        outbound = OutboundClient(timeout_seconds=DOWNLOAD_SECONDS, allow_private=headers is not None)
        async with aclosing(outbound) as client:
            await client.download(url, path, max_bytes=MAX_BYTES, headers=headers)

    run_waiting(download)


def _report(recording: Recording, name: str) -> None:
    at = timezone.now()
    with transaction.atomic():
        call = Call.objects.get_for_update(recording.call_id)
        if not jobs.is_ours(recording):
            return
        recording.name = name
        jobs.finish(recording, Recording.Status.READY)
        seconds = (recording.duration_ms or 0) / 1000
        about = {"missing": recording.missing} if recording.missing else {}
        timeline.add_event(call.pk, "recording.saved", "system", at=at, duration_seconds=seconds, **about)
        timeline.notify(call, "call.recording.ready", at=at, duration_seconds=seconds)
        transcription.begin(call)


def report_failure(recording: Recording) -> None:
    """There will be no recording, and nothing to transcribe."""
    call = Call.objects.select_related("phone_number").get(pk=recording.call_id)
    at = timezone.now()
    timeline.add_event(call.pk, "recording.failed", "system", at=at, reason=recording.reason)
    timeline.notify(call, "call.recording.failed", at=at, reason=recording.reason)
    transcription.without_recording(call, recording.reason)
