"""How a call went, in plain words."""

from typing import Any

from billing import billing_switch
from calls.models import Call, CallStatus, Direction, HangupCause, Outcome, Screened

RUNNING = {
    CallStatus.INITIATED: "Starting the call.",
    CallStatus.RINGING: "Ringing.",
    CallStatus.ANSWERED: "In progress.",
}
ENDINGS = {
    HangupCause.NORMAL_CLEARING: "Ended normally.",
    HangupCause.BUSY: "The line was busy.",
    HangupCause.NO_ANSWER: "Nobody answered.",
    HangupCause.REJECTED: "The call was declined.",
    HangupCause.INVALID_NUMBER: "The number does not exist.",
    HangupCause.INSUFFICIENT_BALANCE: "Ended because the balance was used up.",
    HangupCause.MAX_DURATION: "Ended at its maximum duration.",
    HangupCause.SILENCE_TIMEOUT: "Ended because nobody said anything.",
    HangupCause.VOICEMAIL: "Voicemail answered, so we hung up.",
    HangupCause.TRANSFERRED: "Transferred to a person.",
    HangupCause.WEBHOOK_FAILED: "Ended because your webhook failed.",
    HangupCause.MODEL_FAILED: "Ended because the AI model failed.",
    HangupCause.CARRIER_FAILED: "The phone network could not carry the call.",
    HangupCause.CANCELED: "Canceled before it was answered.",
    HangupCause.ACCOUNT_DEACTIVATED: "Ended because the account was deactivated.",
}
# Calls that never started, where the general words would be misleading.
ENDINGS_OF_REFUSED = {
    HangupCause.BUSY: "Refused with a busy signal.",
    HangupCause.NO_ANSWER: "The caller hung up before it was answered.",
    HangupCause.REJECTED: "Declined before it was answered.",
    HangupCause.INSUFFICIENT_BALANCE: "Refused because the balance was too low.",
    HangupCause.MODEL_FAILED: "Refused because the AI model is not available.",
    HangupCause.WEBHOOK_FAILED: "Not answered because your webhook failed.",
    HangupCause.ACCOUNT_DEACTIVATED: "Refused because the account is deactivated.",
}
# With billing off, only limits end or refuse calls because of cost.
WITHOUT_BILLING = {HangupCause.INSUFFICIENT_BALANCE: "A spending limit was reached."}
# Calls that were never dialed, by reason.
REFUSED_OUTBOUND = {
    "do_not_call": "Not dialed: the number is on the do-not-call list.",
    "country_not_allowed": "Not dialed: the policy does not allow this country.",
    "outside_calling_hours": "Not dialed: outside of calling hours.",
    "too_many_attempts": "Not dialed: called too often in the last 24 hours.",
    "emergency_number": "Not dialed: emergency and short numbers cannot be called.",
    "premium_destination": "Not dialed: premium-rate and special numbers cannot be called.",
    "no_rate": "Not dialed: this destination has no rate.",
}
ENDINGS_OF_ME_FIRST = {
    HangupCause.BUSY: "Your phone was busy.",
    HangupCause.NO_ANSWER: "You did not answer your phone.",
    HangupCause.REJECTED: "Your phone declined the call.",
    HangupCause.SILENCE_TIMEOUT: "Ended because nobody pressed a key.",
    HangupCause.TRANSFERRED: "You were connected.",
}
ENDINGS_OF_SANDBOX = {
    HangupCause.NO_ANSWER: "The browser never connected.",
    HangupCause.CANCELED: "Canceled before the browser connected.",
}


# Outcomes of outbound calls, for charts and filters.
OUTCOMES = {
    Outcome.PERSON: "Person",
    Outcome.VOICEMAIL_MESSAGE_LEFT: "Voicemail, message left",
    Outcome.VOICEMAIL_NO_MESSAGE: "Voicemail, no message",
    Outcome.SCREENED_ACCEPTED: "Screened, accepted",
    Outcome.SCREENED_DECLINED: "Screened, declined",
    Outcome.BUSY: "Busy",
    Outcome.NO_ANSWER: "No answer",
    Outcome.REJECTED: "Rejected",
    Outcome.INVALID_NUMBER: "Invalid number",
    Outcome.CANCELED: "Canceled",
}


def describe_outcome(call: Call) -> str:
    """The outcome of an outbound call in words; "" if unknown."""
    return OUTCOMES.get(Outcome(call.outcome), "") if call.outcome else ""


def describe_ending(call: Call) -> str:
    """The ending or state of a call, in one sentence."""
    if not call.is_over:
        return RUNNING[CallStatus(call.status)]
    if call.screened == Screened.DECLINED:
        return "The phone asked who was calling, and nobody took the call."
    if call.hangup_cause == HangupCause.NORMAL_CLEARING and call.voicemail_detected:
        return (
            "Left a voicemail message." if call.voicemail_message_left else "Voicemail answered. No message was left."
        )
    if call.refusal_reason and call.direction == Direction.OUTBOUND:
        return REFUSED_OUTBOUND.get(call.refusal_reason, "Not dialed: the number cannot be called.")
    special: dict[HangupCause, str] = {}
    if call.sandbox:
        special = ENDINGS_OF_SANDBOX
    elif call.connect_to:
        special = ENDINGS_OF_ME_FIRST
    elif call.direction == Direction.INBOUND and call.answered_at is None:
        special = ENDINGS_OF_REFUSED
    if not billing_switch.is_on():
        special = special | WITHOUT_BILLING
    if not call.hangup_cause:
        return "Ended for an unknown reason."
    cause = HangupCause(call.hangup_cause)
    return special.get(cause) or ENDINGS[cause]


def endings() -> dict[HangupCause, str]:
    """Endings of calls, in general words."""
    return ENDINGS if billing_switch.is_on() else ENDINGS | WITHOUT_BILLING


def seconds_in_words(seconds: Any) -> str:
    """A limit like "60 min" or "90 s"; other values unchanged."""
    if not isinstance(seconds, int):
        return str(seconds)
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest or not minutes else f"{minutes} min"
