"""Deletes call data past its retention (accounts.extension_points.RETENTION_KINDS). The calls stay, with their costs."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Min, Q, TextField
from django.db.models.functions import Cast

from accounts.extension_points import RetentionKind
from bubblyphone.core.pagination import beyond
from calls.after_call import deletion, recording_access
from calls.models import Call, ScheduledCall

BATCH = 500  # calls per batch


def delete_transcripts(developer_id: int, before: datetime, since: datetime | None = None) -> Iterator[int]:
    """Delete transcripts of calls that started before the given time, everything derived from them, and what the agent knew about the
    caller.
    """
    # When the owner deletes a transcript, the variables and metadata stay, because calls are searched by them.
    left = Q(transcript_deleted_at=None) | ~Q(variables="{}") | ~Q(metadata={})
    for calls in _ended_calls(developer_id, before, since, left):
        with transaction.atomic():
            Call.objects.filter(pk__in=calls).lock_in_order()  # first, as their owner's deletion does
            deletion.forget_what_was_said(calls)
            Call.objects.filter(pk__in=calls).update(dynamic_variables={}, metadata={})
        yield len(calls)
    yield from _forget_scheduled(developer_id, before)


def _forget_scheduled(developer_id: int, before: datetime) -> Iterator[int]:
    """The variables of scheduled calls that were dialed, refused or canceled before then."""
    told = ScheduledCall.objects.alias(variables=Cast("dynamic_variables", TextField())).exclude(variables="{}")
    old = told.filter(developer_id=developer_id, decided_at__lt=before).order_by("pk")
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        ScheduledCall.objects.filter(pk__in=batch).update(dynamic_variables={})
        yield len(batch)


def delete_events(developer_id: int, before: datetime, since: datetime | None = None) -> Iterator[int]:
    """Delete the timelines of calls that started before the given time."""
    for calls in _ended_calls(developer_id, before, since, Q(events_deleted_at=None)):
        with transaction.atomic():
            deletion.forget_what_happened(calls)
        yield len(calls)


def _ended_calls(developer_id: int, before: datetime, since: datetime | None, left: Q) -> Iterator[list[int]]:
    """Batches of ids, oldest first, of calls that still have data. Calls without data are skipped once, not for every batch."""
    calls = Call.objects.ended().alias(variables=Cast("dynamic_variables", TextField()))
    calls = calls.filter(left, developer_id=developer_id, started_at__lt=before)
    if since is not None:
        calls = calls.filter(started_at__gte=since)
    following = Q()
    while page := list(calls.filter(following).order_by("started_at", "pk").values_list("started_at", "pk")[:BATCH]):
        yield [pk for _, pk in page]
        following = beyond("started_at", *page[-1], "gt")


def _oldest_running(developer_id: int) -> datetime | None:
    """The start of the account's oldest call that has not ended: it is deleted later, even if it is older than the period."""
    running = Call.objects.running().filter(developer_id=developer_id)
    start: datetime | None = running.aggregate(start=Min("started_at"))["start"]
    return start


KINDS = (
    RetentionKind("recordings", "Recordings", "The audio of calls.", recording_access.delete_older),
    RetentionKind(
        "transcripts",
        "Transcripts",
        "What was said: transcripts, recognized speech, and analysis results. Also the variables and metadata of calls, scheduled ones "
        "included. "
        "Webhook logs can contain the same words.",
        delete_transcripts,
        _oldest_running,
    ),
    RetentionKind(
        "events",
        "Timelines",
        "The events of each call, such as tool calls and transfers. Without them a call's page cannot explain why it failed.",
        delete_events,
        _oldest_running,
    ),
)
