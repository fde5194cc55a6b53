"""Placing an outbound call from another of the developer's numbers, at another carrier, if the first carrier certainly did not dial.

Each of the two dial commands is sent once, by the process that received the request. If it dies in between, nobody dials the call, and
`calls.clock.sweeper` ends it. Dial commands of scheduled calls are repeated (`calls.control.scheduled_calls`).
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from bubblyphone.core.errors import Forbidden, InsufficientFunds
from calls import timeline
from calls.charging.admission import admit_fallback
from calls.models import Call
from phone_numbers import abilities
from phone_numbers.carriers.base import CarrierError
from phone_numbers.models import PhoneNumber

# It may have dialed: a second carrier could ring the same person twice.
UNCERTAIN = "outcome_unknown"


class NotUsed(Exception):
    """The call is not placed from the fallback number. The text is the machine-readable reason."""


def dial_instead(call: Call, refusal: CarrierError, place: Callable[[Call], str]) -> str:
    """The other carrier's call id; empty if there is no other number, or its carrier does not dial either."""
    if not call.settings.fallback_number:
        return ""
    try:
        if refusal.reason == UNCERTAIN:
            raise NotUsed(UNCERTAIN)
        number = _other_number(call)
        _take_over(call, number, refusal)
    except NotUsed as reason:
        to = call.settings.fallback_number
        about: dict[str, Any] = {"from": to, "reason": str(reason)}
        timeline.add_event(call.pk, "call.fallback_skipped", "system", **about)
        return ""
    try:
        return place(call)
    except CarrierError as error:
        timeline.add_event(call.pk, "call.fallback_failed", "telephony", reason=error.reason, detail=str(error)[:200])
        return ""


def _other_number(call: Call) -> PhoneNumber:
    """Raises NotUsed."""
    active = PhoneNumber.objects.filter(developer_id=call.developer_id, status=PhoneNumber.Status.ACTIVE)
    number = active.filter(e164=call.settings.fallback_number).first()
    if number is None:
        raise NotUsed("number_not_active")
    if number.carrier == call.carrier:
        raise NotUsed("same_carrier")
    if abilities.call_problems(number.carrier, mode=call.mode, is_recorded=call.recording_enabled):
        raise NotUsed("unsupported")
    return number


def _take_over(call: Call, number: PhoneNumber, refusal: CarrierError) -> None:
    """Record that the call uses the other number. Raises NotUsed if it is over, was dialed after all, or cannot be paid for."""
    try:
        with transaction.atomic():
            locked = Call.objects.get_for_update(call.pk)
            if locked.is_over or locked.end_requested_at is not None:
                raise NotUsed("call_ended")
            if locked.carrier_call_id is not None:  # its carrier has reported it
                raise NotUsed(UNCERTAIN)
            locked.telephony_rate = admit_fallback(locked, number)
            locked.from_number, locked.carrier = number.e164, number.carrier
            locked.save(update_fields=["telephony_rate", "from_number", "carrier"])
            about: dict[str, Any] = {"from": number.e164, "reason": refusal.reason, "detail": str(refusal)[:200]}
            timeline.add_event(call.pk, "call.fallback", "system", **about)
    except (Forbidden, InsufficientFunds) as error:
        raise NotUsed(error.code) from error
    call.refresh_from_db()
