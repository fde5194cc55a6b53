"""Outbound calls that their carrier has certainly not dialed go over another number of the developer's, at another carrier."""

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


def dial_instead(call: Call, refusal: CarrierError, place: Callable[[Call, str], str]) -> str:
    """The other carrier's id of the call; empty if there is no other number, or its carrier does not dial either."""
    number = _other_number(call) if refusal.reason != UNCERTAIN else None
    if number is None or not _take_over(call, number, refusal):
        return ""
    try:
        return place(call, f"dial:{number.pk}")
    except CarrierError as error:
        timeline.add_event(call.pk, "call.fallback_failed", "telephony", detail=str(error)[:200])
        return ""


def _other_number(call: Call) -> PhoneNumber | None:
    numbers = PhoneNumber.objects.filter(developer_id=call.developer_id, status=PhoneNumber.Status.ACTIVE)
    number = numbers.filter(e164=call.settings.fallback_number).exclude(carrier=call.carrier).first()
    if number is None:
        return None
    lacks = abilities.call_problems(number.carrier, mode=call.mode, is_recorded=call.recording_enabled)
    return None if lacks else number


def _take_over(call: Call, number: PhoneNumber, refusal: CarrierError) -> bool:
    """Write down that the call goes over another number, if it can be paid for there."""
    try:
        with transaction.atomic():
            locked = Call.objects.locked(call.pk)
            if locked.is_over or locked.carrier_call_id is not None:
                return False
            locked.telephony_rate = admit_fallback(locked, number)
            locked.from_number, locked.carrier = number.e164, number.carrier
            locked.save(update_fields=["telephony_rate", "from_number", "carrier"])
            about: dict[str, Any] = {"from": number.e164, "reason": refusal.reason, "detail": str(refusal)[:200]}
            timeline.add_event(call.pk, "call.fallback", "system", **about)
    except (Forbidden, InsufficientFunds):
        return False
    call.refresh_from_db()
    return True
