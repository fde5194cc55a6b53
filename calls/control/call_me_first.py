""" "Call me first": we ring the user's own phone, say who will be called, and connect them when they press a key.

The key prevents connecting a voicemail. Nobody else speaks in such a call: no agent takes part, and the developer's server is not asked.
`calls.control.call_me_first_keys` handles the key.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import Developer
from billing import destinations
from bubblyphone.core.errors import InvalidRequest
from calls.control import lifecycle, outbound, speech
from calls.models import Call, CallStatus, HangupCause, Transfer
from calls.policy import gate
from phone_numbers.models import CallMode, PhoneNumber

# If no key is pressed within this time after the answer or the last attempt, nobody is there.
CONFIRMS_WITHIN = timedelta(seconds=60)
# A "Hello?" may drown out the text, or make the carrier cut it off.
SAID_AGAIN_EVERY = timedelta(seconds=20)


def place(*, developer: Developer, number: PhoneNumber, own_phone: str, to: str) -> Call:
    """Ring `own_phone`, then dial `to` when a key is pressed.

    Raises like `outbound.begin_call` and `outbound.dial`, and Forbidden if `to` is refused now.
    """
    if own_phone == to:
        raise InvalidRequest({"own_phone": ["Enter a number other than the one to call."]})
    now = timezone.now()
    destinations.rate_to(to, developer_id=developer.pk, at=now)
    gate.check(developer, to, now=now)
    call = outbound.begin_call(
        developer=developer, number=number, to=own_phone, mode=CallMode.WEBHOOK, request={}, agent=None, connect_to=to
    )
    _ask(call, 0)
    outbound.dial(call)
    return call


def end_unconfirmed(now: datetime) -> None:
    """A rule of the sweeper: nobody pressed a key, either initially or after a failed attempt."""
    for call in _unconfirmed(now - CONFIRMS_WITHIN):
        lifecycle.end_call(call.pk, HangupCause.SILENCE_TIMEOUT, at=now)


def ask_again(now: datetime) -> None:
    """A rule of the sweeper: the person who answered may not have heard the instructions."""
    for found in _unconfirmed(now - SAID_AGAIN_EVERY).filter(transfers=None):
        assert found.answered_at is not None
        with transaction.atomic():
            call = Call.objects.get_for_update(found.pk)
            _ask(call, (now - found.answered_at) // SAID_AGAIN_EVERY)


def _unconfirmed(since: datetime) -> QuerySet[Call]:
    """Calls that have waited for a key since then."""
    undecided = Transfer.objects.filter(call=OuterRef("pk"), failed_at=None)
    waiting = Call.objects.filter(status=CallStatus.ANSWERED, end_requested_at=None).exclude(connect_to="")
    waits_since = Greatest("answered_at", Max("transfers__failed_at"))
    return waiting.exclude(Exists(undecided)).annotate(waits_since=waits_since).filter(waits_since__lt=since)


def _ask(call: Call, time: int) -> None:
    """Say the instructions, for the first time (0) or again. The row is locked."""
    speech.say(call, f"Press any key to call {_spoken(call.connect_to)}.", key=f"me-first:{call.pk}:{time}")


def _spoken(number: str) -> str:
    """Digit by digit."""
    return " ".join(number.removeprefix("+"))
