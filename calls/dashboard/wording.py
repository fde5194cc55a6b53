"""Calls in plain words, for the pages."""

import re
from collections.abc import Mapping
from typing import Any

from calls.models import Call, CallEvent, Direction, HangupCause
from calls.outcomes import ENDINGS, endings

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
    "listener.joined": "Listening in",
    "listener.left": "Stopped listening",
    "whisper.sent": "Whispered to the agent",
    "takeover.started": "Taken over from the agent",
    "takeover.ended": "Returned to the agent",
    "limit.reached": "Limit reached",
    "call.refused": "Call refused",
    "lookup.completed": "Lookup answered",
    "lookup.failed": "Lookup failed",
    "silence.asked": "Asked whether anybody is there",
    "variables.saved": "Variables set by a tool",
    "variables.missing": "Variables without a value",
    "do_not_call.added": "Added to the do-not-call list",
    "do_not_call.skipped": "Not added to the do-not-call list: this is a test",
    "transfer.requested": "Transfer requested",
    "transfer.briefing": "Briefing the transfer recipient",
    "transfer.answered": "Transfer answered",
    "transfer.failed": "Transfer failed",
    "call.fallback": "Placed from the fallback number",
    "call.fallback_skipped": "Fallback number not used",
    "call.fallback_failed": "The fallback number's carrier could not place the call",
    "screening.detected": "The phone asked who is calling",
    "screening.answered": "A person picked up after the screening",
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
# Why a tool call was not executed.
REFUSED = {
    "unknown_tool": "the agent has no such tool",
    "invalid_arguments": "invalid arguments",
    "taken_over": "a person has taken over",
}
# Why a tool's result was not used.
ABANDONED = {
    "withdrawn": "withdrawn by the model",
    "call_ended": "call ended",
    "session_moved": "call moved to another process",
    "process_ended": "our process ended",
}
_STREAM_LOST = {
    "deploy": "we restarted a server",
    "connection_lost": "the carrier's connection broke",
    "session_lost": "one of our processes stopped",
}
# Words for an event's reason on the timeline.
REASONS = {
    "stream.restarted": _STREAM_LOST,
    "stream.reconnected": _STREAM_LOST,
    "model.reconnected": {
        "connection_lost": "its connection broke",
        "silent": "it did not respond",
        "fallback": "the backup model took over",
    },
}
# Actions of people, who are named with them.
BY_PEOPLE = frozenset({
    "listener.joined", "listener.left", "whisper.sent", "takeover.started", "takeover.ended", "context.injected",
})  # fmt: skip
# How a takeover ended.
TAKEOVER_ENDS = {
    "returned": "Returned to the agent",
    "connection_lost": "Connection lost, returned to the agent. Taken over",
    "signed_out": "Signed out, returned to the agent. Taken over",
    "session_moved": "Call moved to another process, returned to the agent. Taken over",
    "call_ended": "Call ended while taken over",
}
_CODE = re.compile("[a-z]+(_[a-z]+)*")
TROUBLE = frozenset({
    "call.failed", "call.refused", "stream.failed", "stream.error", "model.failed", "dead_air", "transfer.failed", "speak.failed",
    "listening.failed",
})  # fmt: skip


def describe_reason(event: CallEvent) -> str:
    """The reason of a timeline event, if its own words do not include it; codes become words."""
    metadata: Mapping[str, Any] = event.metadata or {}
    reason = str(metadata.get("reason") or "")
    if event.event_type in BY_PEOPLE:
        return str(metadata.get("text") or "")
    if reason in REASONS.get(event.event_type, {}) or reason in {*REFUSED, *ABANDONED}:
        reason = ""  # describe_event says it
    if reason in ENDINGS:
        return endings()[HangupCause(reason)].removesuffix(".")
    if _CODE.fullmatch(reason):
        reason = reason.replace("_", " ").capitalize()
    return reason or str(metadata.get("detail") or "")


def describe_event(event: CallEvent) -> str:
    """A timeline event in words; an unknown one is shown by its name."""
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
    if event.event_type in BY_PEOPLE:
        why = TAKEOVER_ENDS.get(str(metadata.get("reason")), words)
        return f"{why} by {metadata['by']}" if metadata.get("by") else why
    if why := REASONS.get(event.event_type, {}).get(str(metadata.get("reason")), ""):
        return f"{words}: {why}"
    return words


def other_party(call: Call) -> str:
    """The remote party: a phone number, or the browser. In a "call me first" call, it is not the phone that rings first."""
    if call.sandbox:
        return "Sandbox"
    return call.from_number if call.direction == Direction.INBOUND else call.connect_to or call.to_number


def value_in_words(value: Any) -> str:
    """A result of an analysis."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
