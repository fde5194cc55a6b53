"""The start of a sandbox call, in the database."""

from django.db import transaction
from django.utils import timezone

from calls import timeline
from calls.models import Call, CallStatus


def answer(call_id: int) -> None:
    """The browser has connected: the call is answered."""
    now = timezone.now()
    with transaction.atomic():
        call = Call.objects.locked(call_id)
        if call.is_over or call.answered_at is not None:
            return
        call.answered_at, call.status = now, CallStatus.ANSWERED
        call.save(update_fields=["answered_at", "status"])
        timeline.add_event(call.pk, "call.answered", "system", at=now)
        timeline.notify(call, "call.answered", at=now)
