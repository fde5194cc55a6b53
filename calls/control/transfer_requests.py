"""Transfer requests from the model, API or webhook. A refused request records `transfer.failed`."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from bubblyphone.core.errors import ApplicationError, Conflict, InvalidRequest
from calls import timeline
from calls.control import transfers
from calls.models import Call
from phone_numbers.models import CallMode


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transfer is not possible. `reason` is for machines, `message` for the developer."""

    reason: str
    message: str
    is_final: bool = False  # other destinations would fail as well


def ask(call_id: int, to: str, *, source: str, briefing: str = "") -> Refusal | None:
    """Request a transfer, and record it if it is refused."""
    try:
        with transaction.atomic():
            transfers.request(Call.objects.get_for_update(call_id), to, source=source, briefing=briefing)
    except ApplicationError as error:
        refusal = refusal_of(error)
        with transaction.atomic():
            note(Call.objects.get_for_update(call_id), to, refusal, source=source)
        return refusal
    return None


def refusal_of(error: ApplicationError) -> Refusal:
    code = "invalid_number" if isinstance(error, InvalidRequest) else error.code
    return Refusal(code, error.full_message, is_final=isinstance(error, Conflict))


def note(call: Call, to: str, refusal: Refusal, *, source: str, tell: bool = False, webhook_id: str = "") -> None:
    """Record a refused transfer; `tell` also notifies webhook mode's server.

    The row is locked. A call that is over already has its record.
    """
    if call.is_over or call.end_requested_at is not None:
        return
    now = timezone.now()
    about = {"to": to, "reason": refusal.reason, "detail": refusal.message}
    if webhook_id:
        about["webhook_id"] = webhook_id
    timeline.add_event(call.pk, "transfer.failed", source, at=now, **about)
    if tell and call.mode == CallMode.WEBHOOK:
        timeline.notify(call, "call.transfer.failed", at=now, to=to, reason=refusal.reason)
