"""Access to stored recordings: signed URLs that expire, and deletion."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import Conflict, NotFound, StorageUnavailable
from calls import timeline
from calls.after_call.recording_files import storage
from calls.models import Call, Recording

URL_LIFE = timedelta(hours=1)
BATCH = 100  # files deleted before the job checks the time
MOST_FAILURES = 10  # storage failures, after which the rest waits for the next hour
REPORT_URL_LIFE = timedelta(days=7)
# One salt per lifetime, so that a token's salt says how long it is valid.
_signer = TimestampSigner(salt="calls.recording", sep=".")
_report_signer = TimestampSigner(salt="calls.recording.report", sep=".")


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """Anyone with this URL can fetch the recording until it expires."""

    url: str
    expires_at: datetime


def get_recording(call: Call) -> Recording:
    """The stored recording of a call. Raises Conflict while it is being made, NotFound if there is none."""
    recording = Recording.objects.filter(call=call).first()
    if recording is not None and recording.deleted_at is not None:
        raise NotFound("The recording of this call was deleted.", code="recording_deleted")
    if recording is not None and recording.status == Recording.Status.READY:
        return recording
    if recording is not None and recording.status == Recording.Status.FAILED:
        raise NotFound(f"This call has no recording. {recording.reason}", code="recording_failed")
    if recording is not None or (call.recording_enabled and not call.is_over):
        raise Conflict("The recording is not ready yet.", code="recording_not_ready")
    raise NotFound("This call was not recorded.", code="not_recorded")


def playable_recording(call: Call) -> Recording | None:
    """The recording, if there is one that can be played."""
    return Recording.objects.filter(call=call, status=Recording.Status.READY, deleted_at=None).first()


def signed_url(recording: Recording) -> SignedUrl:
    """A URL that needs no other key, valid for one hour."""
    return _signed(recording, _signer, URL_LIFE)


def report_url(recording: Recording) -> SignedUrl:
    """The same, valid for 7 days."""
    return _signed(recording, _report_signer, REPORT_URL_LIFE)


def _signed(recording: Recording, signer: TimestampSigner, life: timedelta) -> SignedUrl:
    path = reverse("recording-file", args=[signer.sign(str(recording.pk))])
    return SignedUrl(f"{settings.PUBLIC_URL}{path}", timezone.now() + life)


def find_by_token(token: str) -> Recording:
    """The recording of a signed URL. Raises NotFound if the token is invalid or expired, or the recording was deleted."""
    pk = _read_token(token)
    if pk is None:
        raise NotFound("This URL is invalid or has expired.")
    recording = Recording.objects.filter(pk=pk, deleted_at=None).exclude(name="").first()
    if recording is None:
        raise NotFound("The recording was deleted.")
    return recording


def _read_token(token: str) -> int | None:
    for signer, life in ((_signer, URL_LIFE), (_report_signer, REPORT_URL_LIFE)):
        with suppress(BadSignature):
            return int(signer.unsign(token, max_age=life))
    return None


def delete(call: Call) -> None:
    """Delete a recording permanently; its transcription stays. Raises the same errors as `get_recording`."""
    recording = get_recording(call)
    with transaction.atomic():
        if Recording.objects.filter(pk=recording.pk, deleted_at=None).update(deleted_at=timezone.now()):
            timeline.add_event(call.pk, "recording.deleted", "api")
            enqueue(erase, recording.pk)


def erase(recording_id: int) -> None:
    """The job: delete the file of a deleted recording from the storage."""
    recording = Recording.objects.filter(pk=recording_id, deleted_at__isnull=False).exclude(name="").first()
    if recording is not None:
        storage().delete(recording.name)
        Recording.objects.filter(pk=recording_id).update(name="")


def delete_all(developer_id: int) -> None:
    """The account was closed. Raises Conflict while a recording is still being made."""
    recordings = Recording.objects.filter(call__developer_id=developer_id)
    stored = recordings.filter(status=Recording.Status.READY, deleted_at=None)
    for recording in stored:
        Recording.objects.filter(pk=recording.pk).update(deleted_at=timezone.now())
        erase(recording.pk)
    if recordings.filter(status=Recording.Status.PENDING).exists():
        raise Conflict("Recordings are still being saved.")


def delete_older(developer_id: int, before: datetime, since: datetime | None = None) -> Iterator[int]:
    """Delete an account's recordings from before a given time (accounts.extension_points.RetentionKind)."""
    stored = Recording.objects.filter(
        call__developer_id=developer_id, deleted_at=None, status=Recording.Status.READY, finished_at__lt=before
    )
    while batch := list(stored.order_by("finished_at")[:BATCH]):
        for recording in batch:
            with transaction.atomic():
                if Recording.objects.filter(pk=recording.pk, deleted_at=None).update(deleted_at=timezone.now()):
                    timeline.add_event(recording.call_id, "recording.deleted", "system", reason="retention")
            with suppress(StorageUnavailable):  # `erase_deleted` tries again
                erase(recording.pk)
        yield len(batch)


def erase_deleted() -> None:
    """The hourly job: delete files whose earlier deletion failed. Raises StorageUnavailable at the end if some could not be deleted."""
    lost = Recording.objects.filter(deleted_at__isnull=False).exclude(name="")
    failures: list[StorageUnavailable] = []
    for recording_id in lost.order_by("?").values_list("pk", flat=True):  # gives every account its turn
        try:
            erase(recording_id)
        except StorageUnavailable as error:
            failures.append(error)
            if len(failures) == MOST_FAILURES:
                break
    if failures:
        raise failures[-1]
