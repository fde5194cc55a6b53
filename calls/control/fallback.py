"""Outbound calls that their carrier has certainly not dialed go over another number of the developer's, at another carrier.

Each of the two dials is given once, by the process that was asked for the call. One that dies in between leaves a call that nobody
dials any more: `calls.clock.sweeper` ends it. The dials of scheduled calls are given again (`calls.control.scheduled_calls`).
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
    """The call is not placed from the fallback number. Its text is the reason, for machines."""


def dial_instead(call: Call, refusal: CarrierError, place: Callable[[Call], str]) -> str:
    """The other carrier's id of the call; empty if there is no other number, or its carrier does not dial either."""
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
    """Write down that the call goes over another number. Raises NotUsed where it is over, dialed after all, or cannot be paid for."""
    try:
        with transaction.atomic():
            locked = Call.objects.locked(call.pk)
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
