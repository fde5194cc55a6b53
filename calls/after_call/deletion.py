"""Deletes data stored with ended calls. The calls stay, with their costs."""

from collections.abc import Iterable
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from bubblyphone.core.errors import Conflict, NotFound
from calls.after_call import recording_access
from calls.models import (
    AfterCallWork,
    Analysis,
    Call,
    CallEvent,
    CallQuerySet,
    SpeechTime,
    TranscriptEntry,
    Transcription,
    Transfer,
    Utterance,
)


def delete_recordings(calls: CallQuerySet) -> int:
    """Delete the existing recordings and return their number; recordings in progress stay."""
    count = 0
    for call in calls:
        with suppress(NotFound, Conflict):
            recording_access.delete(call)
            count += 1
    return count


def delete_transcripts(calls: CallQuerySet) -> int:
    """Delete the transcripts of these calls, unless they are still being transcribed or analyzed. Returns the number of calls."""
    with transaction.atomic():
        ids = set(calls.filter(transcript_deleted_at=None).lock_in_order())
        for work in (Transcription, Analysis):
            waiting = work.objects.filter(call__in=ids, status=AfterCallWork.Status.PENDING)
            ids -= set(waiting.values_list("call_id", flat=True))
        forget_what_was_said(ids)
    return len(ids)


def forget_what_was_said(call_ids: Iterable[int]) -> None:
    """Delete transcripts and everything derived from them. Call it in a transaction."""
    for model in (TranscriptEntry, SpeechTime, Utterance):
        model.objects.filter(call__in=call_ids).delete()
    Transcription.objects.filter(call__in=call_ids).update(segments=[])
    Transfer.objects.filter(call__in=call_ids).update(briefing="")
    Call.objects.filter(pk__in=call_ids).update(analysis_result=None, transcript_deleted_at=timezone.now())


def forget_what_happened(call_ids: Iterable[int]) -> None:
    """Delete the timelines of calls, which contain tool arguments and briefings. Call it in a transaction."""
    CallEvent.objects.filter(call__in=call_ids).delete()
    Call.objects.filter(pk__in=call_ids).update(events_deleted_at=timezone.now())
