"""What the keys do of somebody who is called first (`calls.control.me_first`)."""

from django.db import transaction

from bubblyphone.core.errors import ApplicationError
from calls.control import speech, transfer_requests, transfers
from calls.models import Call


def on_key(call: Call, event_id: str) -> None:
    """Connect them. A key after nobody answered calls again; one while it rings does nothing. The row is locked."""
    if call.transferred_at is not None or call.transfers.filter(answered_at=None, failed_at=None).exists():
        return
    try:
        with transaction.atomic():
            transfers.request(call, call.connect_to, source="telephony", key=f"key:{event_id}"[:60])
    except ApplicationError as error:
        transfer_requests.note(call, call.connect_to, transfer_requests.refusal_of(error), source="telephony")
        speech.say(call, "This call is not possible now.", key=f"me-first-refused:{call.pk}")
