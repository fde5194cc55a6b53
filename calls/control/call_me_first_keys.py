"""Handles the keys of a user who is called first (`calls.control.call_me_first`)."""

from django.db import transaction
from django.db.models import Max

from bubblyphone.core.errors import ApplicationError
from calls.control import speech, transfer_requests, transfers
from calls.models import Call
from phone_numbers.carriers.carrier_events import CarrierEvent


def on_key(call: Call, event: CarrierEvent) -> None:
    """Connect the user.

    If nobody answered, a key calls again; a key pressed while it rings, however late it is reported, does nothing. The row is locked.
    """
    if call.end_requested_at is not None or call.transferred_at is not None:
        return
    if call.transfers.filter(answered_at=None, failed_at=None).exists():
        return
    failed_at = call.transfers.aggregate(Max("failed_at"))["failed_at__max"]
    if failed_at is not None and event.occurred_at <= failed_at:
        return
    try:
        with transaction.atomic():
            transfers.request(call, call.connect_to, source="telephony", key=f"key:{event.event_id}"[:60])
    except ApplicationError as error:
        transfer_requests.note(call, call.connect_to, transfer_requests.refusal_of(error), source="telephony")
        speech.say(
            call, "This call cannot be placed right now.", key=f"me-first-refused:{call.pk}:{event.event_id}"[:60]
        )
