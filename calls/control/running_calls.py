"""A developer's requests about a running call: end it, speak, transfer it, give its model context."""

import uuid

from django.db import transaction
from django.utils import timezone

from bubblyphone.core.errors import Conflict, Forbidden, InsufficientFunds, InvalidRequest
from calls import timeline
from calls.control import lifecycle, speech, transfer_requests, transfers
from calls.control.session_messages import AddContext, SessionMessage, Speak, Whisper, ask_session
from calls.models import Call, CallStatus, HangupCause
from phone_numbers.carriers.capabilities import Speech
from phone_numbers.carriers.registry import offers
from phone_numbers.models import CallMode


def hang_up(*, call: Call) -> None:
    """End a call at its owner's request. Raises Conflict if it is over."""
    with transaction.atomic():
        fresh = _locked_running(call)
        now = timezone.now()
        timeline.add_event(fresh.pk, "hangup.requested", "api", at=now)
        lifecycle.request_end(fresh, HangupCause.NORMAL_CLEARING, at=now)


def speak(*, call: Call, text: str) -> None:
    """Speak a text to the caller; if the call is not answered yet, as soon as it is.

    Raises Conflict if it is over. A streaming call has a single voice, its model's, which is asked to say the text.
    """
    if call.mode == CallMode.STREAMING and call.status == CallStatus.ANSWERED:
        _send_to_model(call, Speak(text))
        return
    with transaction.atomic():
        fresh = _locked_running(call)
        if fresh.sandbox:
            raise Conflict("The browser is not connected yet.", code="call_not_answered")
        if fresh.transferred_at is not None:
            raise Conflict("This call has been transferred.", code="call_transferred")
        speech.say(fresh, text, key=f"api:{uuid.uuid4()}")


def transfer(*, call: Call, to: str, briefing: str = "") -> None:
    """Transfer a running call to another number; the recipient first hears the `briefing`.

    Raises Conflict, Forbidden, InsufficientFunds, InvalidRequest (the carrier cannot speak).
    """
    if briefing and not call.sandbox and not offers(call.carrier, Speech):
        raise InvalidRequest({"briefing": ["The call's carrier cannot speak, so nobody would hear it."]})
    try:
        with transaction.atomic():
            fresh = Call.objects.get_for_update(call.pk)
            if not fresh.is_over and fresh.status != CallStatus.ANSWERED:
                raise Conflict("This call is not answered yet.", code="call_not_answered")
            transfers.request(fresh, to, source="api", briefing=briefing)
    except (Forbidden, InsufficientFunds) as error:
        with transaction.atomic():
            transfer_requests.note(
                Call.objects.get_for_update(call.pk), to, transfer_requests.refusal_of(error), source="api"
            )
        raise


def whisper(*, call: Call, text: str, by: str) -> None:
    """Send the model of a running call an instruction that the caller does not hear.

    Raises Conflict if no model has received it. `by` is the sender: an account user's email address.
    """
    if call.mode != CallMode.STREAMING or call.status != CallStatus.ANSWERED:
        raise Conflict("You can only whisper in a running call with an AI agent.", code="call_not_streaming")
    _send_to_model(call, Whisper(text, by))


def inject_context(*, call: Call, message: str, by: str = "") -> None:
    """Send the model of a running call context, wherever the call is held.

    Raises Conflict if no model has received it. `by` is the sender: the name of an API key, or an account user's email address.
    """
    if call.mode != CallMode.STREAMING or call.status != CallStatus.ANSWERED:
        raise Conflict("Context can only be sent to a running streaming call.", code="call_not_streaming")
    _send_to_model(call, AddContext(message, by))


def _locked_running(call: Call) -> Call:
    fresh = Call.objects.get_for_update(call.pk)
    if fresh.is_over or fresh.end_requested_at is not None:
        raise Conflict("This call has ended.", code="call_ended")
    return fresh


def _send_to_model(call: Call, message: SessionMessage) -> None:
    if call.transferred_at is not None or not ask_session(call.pk, message):
        raise Conflict("No model is connected to this call right now.", code="no_model")
