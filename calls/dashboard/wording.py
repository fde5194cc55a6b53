"""Calls in plain words, for people who read pages."""

import re
from collections.abc import Mapping
from typing import Any

from billing import switch
from calls.models import Call, CallEvent, CallStatus, Direction, HangupCause

RUNNING = {
    CallStatus.INITIATED: "Starting the call.",
    CallStatus.RINGING: "Ringing.",
    CallStatus.ANSWERED: "In progress.",
}
OUTCOMES = {
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
# Calls that never began, where the general words would mislead.
OUTCOMES_OF_REFUSED = {
    HangupCause.BUSY: "Refused with a busy signal.",
    HangupCause.NO_ANSWER: "The caller hung up before it was answered.",
    HangupCause.REJECTED: "Declined before it was answered.",
    HangupCause.INSUFFICIENT_BALANCE: "Refused because the balance was too low.",
    HangupCause.MODEL_FAILED: "Refused because the AI model is not available.",
    HangupCause.WEBHOOK_FAILED: "Not answered because your webhook failed.",
    HangupCause.ACCOUNT_DEACTIVATED: "Refused because the account is deactivated.",
}
# With billing off only limits end or refuse calls for money.
WITHOUT_BILLING = {HangupCause.INSUFFICIENT_BALANCE: "A spending limit was reached."}
OUTCOMES_OF_SANDBOX = {
    HangupCause.NO_ANSWER: "The browser never connected.",
    HangupCause.CANCELED: "Canceled before the browser connected.",
}
EVENTS = {
    "call.initiated": "Call started",
    "call.ringing": "Ringing",
    "call.answered": "Answered",
    "call.ended": "Call ended",
    "call.failed": "Call failed",
    "hangup.requested": "Hang-up requested",
    "stream.connected": "Caller and model connected",
    "stream.reconnected": "Audio connection restored",
    "stream.disconnected": "Audio connection closed",
    "stream.failed": "The carrier's audio connection failed",
    "stream.restarted": "Audio connection restarted",
    "model.connected": "Model connected",
    "model.reconnected": "Model reconnected",
    "model.failed": "Model failed",
    "dead_air": "The model stopped responding",
    "stream.error": "Audio problem",
    "model.interrupted": "Caller interrupted the agent",
    "context.injected": "Context sent to the agent",
    "limit.reached": "Limit reached",
    "call.refused": "Call refused",
    "lookup.completed": "Lookup answered",
    "lookup.failed": "Lookup failed",
    "variables.missing": "Variables without a value",
    "transfer.requested": "Transfer requested",
    "transfer.briefing": "Briefing the transfer recipient",
    "transfer.answered": "Transfer answered",
    "transfer.failed": "Transfer failed",
    "voicemail.detected": "Voicemail detected",
    "voicemail.greeting_ended": "Voicemail greeting ended",
    "voicemail.recording": "Leaving a voicemail message",
    "voicemail.message_left": "Voicemail message left",
    "recording.started": "Recording started",
    "recording.saved": "Recording saved",
    "recording.failed": "Recording failed",
    "recording.deleted": "Recording deleted",
    "transcription.ready": "Recording transcribed",
    "transcription.failed": "Transcription failed",
    "analysis.ready": "Analysis ready",
    "analysis.failed": "Analysis failed",
    "speak.started": "Speaking",
    "speak.ended": "Finished speaking",
    "speak.interrupted": "Interrupted by the caller",
    "speak.failed": "The carrier could not speak the text",
    "listening.failed": "The carrier could not transcribe the caller",
}
# Why a tool that the model asked for was not run.
REFUSED = {"unknown_tool": "the agent has no such tool", "invalid_arguments": "invalid arguments"}
# Why nobody waited for a tool's result.
ABANDONED = {
    "withdrawn": "withdrawn by the model",
    "call_ended": "call ended",
    "session_moved": "call moved to another process",
    "process_ended": "our process ended",
}
# Texts for an event's reason on the timeline.
REASONS = {
    "stream.restarted": {
        "deploy": "we restarted a server",
        "connection_lost": "the carrier's connection broke",
        "session_lost": "one of our processes stopped",
    },
    "stream.reconnected": {
        "deploy": "we restarted a server",
        "connection_lost": "the carrier's connection broke",
        "session_lost": "one of our processes stopped",
    },
    "model.reconnected": {
        "connection_lost": "its connection broke",
        "silent": "it did not respond",
        "fallback": "the backup model took over",
    },
}
_CODE = re.compile("[a-z]+(_[a-z]+)*")
TROUBLE = frozenset({
    "call.failed", "call.refused", "stream.failed", "stream.error", "model.failed", "dead_air", "transfer.failed", "speak.failed",
    "listening.failed",
})  # fmt: skip


def seconds_in_words(seconds: Any) -> str:
    """A limit: "60 min", "90 s"; anything that is not a number of seconds as it is."""
    if not isinstance(seconds, int):
        return str(seconds)
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest or not minutes else f"{minutes} min"


def describe_reason(event: CallEvent) -> str:
    """Why a moment of the timeline happened, where its own words do not say so; codes become words."""
    metadata: Mapping[str, Any] = event.metadata or {}
    reason = str(metadata.get("reason") or "")
    if reason in REASONS.get(event.event_type, {}) or reason in {*REFUSED, *ABANDONED}:
        reason = ""  # describe_event says it
    if reason in OUTCOMES:
        return outcomes()[HangupCause(reason)].removesuffix(".")
    if _CODE.fullmatch(reason):
        reason = reason.replace("_", " ").capitalize()
    return reason or str(metadata.get("detail") or "")


def describe_outcome(call: Call) -> str:
    """How a call went, or how it is going, in one sentence."""
    if not call.is_over:
        return RUNNING[CallStatus(call.status)]
    if call.hangup_cause == HangupCause.NORMAL_CLEARING and call.voicemail_detected:
        return (
            "Left a voicemail message." if call.voicemail_message_left else "Voicemail answered. No message was left."
        )
    special: dict[HangupCause, str] = {}
    if call.sandbox:
        special = OUTCOMES_OF_SANDBOX
    elif call.direction == Direction.INBOUND and call.answered_at is None:
        special = OUTCOMES_OF_REFUSED
    if not switch.is_on():
        special = special | WITHOUT_BILLING
    cause = HangupCause(call.hangup_cause)
    return special.get(cause) or OUTCOMES[cause]


def outcomes() -> dict[HangupCause, str]:
    """How calls end, in general words."""
    return OUTCOMES if switch.is_on() else OUTCOMES | WITHOUT_BILLING


def describe_event(event: CallEvent) -> str:
    """A moment of the timeline; one that has no words here shows by its name."""
    metadata: Mapping[str, Any] = event.metadata or {}
    if event.event_type in {"tool.called", "tool.returned"}:
        verb = "Tool called" if event.event_type == "tool.called" else "Tool returned"
        if refusal := REFUSED.get(str(metadata.get("reason"))):
            verb = f"Tool not called, {refusal}"
        return f"{verb}: {metadata.get('tool', '')}"
    if event.event_type == "tool.abandoned":
        return f"Tool result not used ({ABANDONED.get(str(metadata.get('reason')), 'call ended')}): {metadata.get('tool', '')}"
    if event.event_type == "dtmf.received":
        return f"Key pressed: {metadata.get('digit', '')}"
    words = EVENTS.get(event.event_type, event.event_type)
    if why := REASONS.get(event.event_type, {}).get(str(metadata.get("reason")), ""):
        return f"{words}: {why}"
    return words


def other_party(call: Call) -> str:
    """The end of the call that is not our number: a phone number, or the browser."""
    if call.sandbox:
        return "Sandbox"
    return call.from_number if call.direction == Direction.INBOUND else call.to_number
