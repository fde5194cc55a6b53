"""Deletes call data with its account (accounts.extension_points.DELETION_STEPS)."""

from django.db import transaction

from bubblyphone.core.errors import Conflict
from calls.after_call import deletion
from calls.control import lifecycle
from calls.models import Call, CallSums, DialingPolicy, DoNotCallNumber, HangupCause, SavedView, ScheduledCall, StaleDay
from webhooks.models import Event, WebhookDelivery


def end_calls(developer_id: int) -> None:
    """Hang up all running calls. Raises Conflict until the carrier has reported that all have ended."""
    running = Call.objects.filter(developer_id=developer_id).running()
    for call_id in running.values_list("pk", flat=True):
        lifecycle.end_call(call_id, HangupCause.NORMAL_CLEARING)
    if running.exists():
        raise Conflict("Running calls are being ended.")


@transaction.atomic
def forget_what_was_said(developer_id: int) -> None:
    """Delete transcripts and everything derived from them, timelines, the webhooks that contained them, and what the agents were told.

    The calls stay as a record for the bill.
    """
    calls = Call.objects.filter(developer_id=developer_id)
    ids = calls.values_list("pk", flat=True)  # within each statement: there may be very many
    deletion.forget_what_was_said(ids)
    deletion.forget_what_happened(ids)
    calls.update(config={}, dynamic_variables={}, metadata={})
    WebhookDelivery.objects.filter(developer_id=developer_id).delete()
    Event.objects.filter(developer_id=developer_id).delete()


@transaction.atomic
def forget_whom_it_calls(developer_id: int) -> None:
    """Delete scheduled calls, saved views, figures, the policy and the do-not-call list: the account places no more calls."""
    ScheduledCall.objects.filter(developer_id=developer_id).delete()
    SavedView.objects.filter(developer_id=developer_id).delete()
    CallSums.objects.filter(developer_id=developer_id).delete()
    StaleDay.objects.filter(developer_id=developer_id).delete()
    DialingPolicy.objects.filter(developer_id=developer_id).delete()
    DoNotCallNumber.objects.filter(developer_id=developer_id).delete()
