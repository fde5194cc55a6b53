"""Call me first: we ring the phone of the person who asks, say who is called, and connect them when they press a key.

The key keeps a voicemail from being connected to anybody. Nobody else speaks in such a call: no agent, and the developer's server is
not asked what to say. `calls.control.me_first_keys` acts on the key.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Developer
from billing import destinations
from bubblyphone.core.errors import InvalidRequest
from calls.control import lifecycle, outbound, speech
from calls.models import Call, CallStatus, HangupCause
from calls.policy import gate
from phone_numbers.models import CallMode, PhoneNumber

# Who has not pressed a key by then is no person.
CONFIRMS_WITHIN = timedelta(seconds=60)


def place(*, developer: Developer, number: PhoneNumber, own_phone: str, to: str) -> Call:
    """Ring `own_phone`, then on a key `to`. Raises as `outbound.place_call`, and Forbidden where `to` is refused now."""
    if own_phone == to:
        raise InvalidRequest({"own_phone": ["Enter another number than the one to call."]})
    now = timezone.now()
    destinations.rate_to(to, developer_id=developer.pk, at=now)
    gate.check(developer, to, now=now)
    call = outbound.begin_call(
        developer=developer, number=number, to=own_phone, mode=CallMode.WEBHOOK, request={}, agent=None, connect_to=to
    )
    speech.say(call, f"Press any key to call {_spoken(to)}.", key=f"me-first:{call.pk}")
    outbound.dial(call)
    call.refresh_from_db()
    return call


def end_unconfirmed(now: datetime) -> None:
    """A rule of the sweeper: nobody pressed a key."""
    late = Call.objects.filter(status=CallStatus.ANSWERED, end_requested_at=None, answered_at__lt=now - CONFIRMS_WITHIN)
    for call in late.exclude(connect_to="").filter(transfers=None):
        lifecycle.end_call(call.pk, HangupCause.SILENCE_TIMEOUT, at=now)


def _spoken(number: str) -> str:
    """Digit by digit."""
    return " ".join(number.removeprefix("+"))
