"""Twilio's requests as CarrierEvents: https://www.twilio.com/docs/voice/twiml#request-parameters

Events are named by what they are about, not by the request: a repeat of the same report is known, from any callback.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils import timezone

from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.twilio.call_scripts import Piece

STATUSES: Mapping[str, CarrierEventType] = {
    "initiated": CarrierEventType.INITIATED,
    "ringing": CarrierEventType.INITIATED,
    "in-progress": CarrierEventType.ANSWERED,
    "completed": CarrierEventType.ENDED,
    "busy": CarrierEventType.ENDED,
    "no-answer": CarrierEventType.ENDED,
    "failed": CarrierEventType.ENDED,
    "canceled": CarrierEventType.ENDED,
}
CAUSES: Mapping[str, str] = {
    "completed": "normal_clearing",
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "no_answer",
    "failed": "carrier_failed",
}
# Twilio calls a declined call "busy" and one to nowhere "failed"; the SIP status tells them apart.
SIP_CAUSES: Mapping[str, str] = {
    "403": "rejected",
    "404": "invalid_number",
    "410": "invalid_number",
    "484": "invalid_number",
    "603": "rejected",
    "604": "invalid_number",
    "607": "rejected",
}
MACHINES = ("machine", "fax")
Params = Mapping[str, str]


def incoming(params: Params) -> CarrierEvent:
    """A call to one of our numbers."""
    sid = params["CallSid"]
    return CarrierEvent(
        type=CarrierEventType.INITIATED,
        event_id=f"{sid}:incoming",
        carrier_call_id=sid,
        occurred_at=timezone.now(),
        direction="inbound",
        from_number=params.get("From", ""),
        to_number=params.get("To", ""),
    )


def answered(params: Params, client_state: str, *, seconds_ago: int = 0) -> CarrierEvent:
    """The same event whether a status, the request for a document, or the end tells it."""
    sid = params["CallSid"]
    at = _moment(params.get("Timestamp")) - timedelta(seconds=seconds_ago)
    return CarrierEvent(CarrierEventType.ANSWERED, f"{sid}:answered", sid, at, client_state=client_state)


def status(params: Params, client_state: str) -> Iterator[CarrierEvent]:
    """The progress of a call, its end included; nothing for a status of no use.

    How long a call was connected says when it was answered, should the report of that be missing.
    """
    kind = STATUSES.get(params.get("CallStatus", ""))
    sid = params["CallSid"]
    is_inbound = params.get("Direction") == "inbound"
    if kind is None or (is_inbound and kind is not CarrierEventType.ENDED):
        return
    if kind is CarrierEventType.ANSWERED:
        yield answered(params, client_state)
        return
    cause, seconds = "", _seconds(params.get("CallDuration", ""))
    if params["CallStatus"] == "completed" and seconds:
        yield answered(params, client_state, seconds_ago=seconds)
    if kind is CarrierEventType.ENDED:
        code = SIP_CAUSES.get(params.get("SipResponseCode", ""), "")
        cause = CAUSES[params["CallStatus"]]
        cause = code if code and cause in {"busy", "carrier_failed"} else cause
    yield CarrierEvent(
        type=kind,
        event_id=f"{sid}:{kind}",
        carrier_call_id=sid,
        occurred_at=_moment(params.get("Timestamp")),
        client_state=client_state,
        direction="" if kind is CarrierEventType.ENDED else "outbound",
        from_number=params.get("From", ""),
        to_number=params.get("To", ""),
        cause=cause,
    )


def machine(params: Params, client_state: str) -> CarrierEvent:
    """The verdict of answering machine detection; the undecided are persons."""
    sid, verdict = params["CallSid"], params.get("AnsweredBy", "")
    detail = "machine" if verdict.startswith(MACHINES) else "human"
    return CarrierEvent(
        CarrierEventType.MACHINE_DETECTED,
        f"{sid}:machine",
        sid,
        timezone.now(),
        client_state=client_state,
        detail=detail,
    )


def recording(params: Params, client_state: str) -> CarrierEvent | None:
    """https://www.twilio.com/docs/voice/api/recording#recordingstatuscallback"""
    kinds = {
        "completed": CarrierEventType.RECORDING_SAVED,
        "absent": CarrierEventType.RECORDING_FAILED,
        "failed": CarrierEventType.RECORDING_FAILED,
    }
    state = params.get("RecordingStatus", "")
    if state not in kinds:
        return None
    is_saved = kinds[state] is CarrierEventType.RECORDING_SAVED
    return CarrierEvent(
        type=kinds[state],
        event_id=f"{params['RecordingSid']}:{kinds[state]}",
        carrier_call_id=params["CallSid"],
        occurred_at=timezone.now(),
        client_state=client_state,
        # Both channels: Twilio would mix them into one for this format otherwise.
        detail=f"{params['RecordingUrl']}.wav?RequestedChannels=2" if is_saved else state,
        began_at=_date(params.get("RecordingStartTime")) if is_saved else None,
    )


def spoken(
    sid: str, pieces: Sequence[Piece], since: str, client_state: str, *, is_interrupted: bool
) -> Iterator[CarrierEvent]:
    """The end of what a document has said, and its beginning: Twilio reports neither by itself."""
    now = timezone.now()
    began = datetime.fromisoformat(since) if since else now
    for piece in pieces:
        for kind, at, detail in (
            (CarrierEventType.SPEAK_STARTED, began, ""),
            (CarrierEventType.SPEAK_ENDED, now, "interrupted" if is_interrupted else "completed"),
        ):
            yield CarrierEvent(
                kind, f"{sid}:{piece.command_id}:{kind}", sid, at, client_state=client_state, detail=detail
            )


def heard(params: Params, client_state: str, number: str) -> Iterator[CarrierEvent]:
    """What a <Gather> has collected: words, or a key."""
    sid, now = params["CallSid"], timezone.now()
    if words := params.get("SpeechResult", "").strip():
        yield CarrierEvent(
            CarrierEventType.TRANSCRIPTION,
            f"{sid}:heard:{number}",
            sid,
            now,
            client_state=client_state,
            detail=words,
        )
    for place, digit in enumerate(params.get("Digits", "")):
        yield CarrierEvent(
            CarrierEventType.DTMF, f"{sid}:key:{number}:{place}", sid, now, client_state=client_state, detail=digit
        )


def caller_speaks(params: Params, client_state: str) -> CarrierEvent:
    """A partial result of a <Gather>."""
    sid = params["CallSid"]
    name = f"{sid}:partial:{params.get('SequenceNumber', '')}"
    return CarrierEvent(CarrierEventType.CALLER_SPEAKS, name, sid, timezone.now(), client_state=client_state)


def _seconds(text: str) -> int:
    """Of a call, at most the day that Twilio allows; 0 for what is no number."""
    return min(int(text), 86400) if text.isdecimal() and len(text) < 10 else 0


def _moment(text: str | None) -> datetime:
    """A report's time, which Twilio gives in whole seconds; as late within its second as it can have been."""
    now, given = timezone.now(), _date(text)
    return now if given is None else min(now, given + timedelta(milliseconds=999))


def _date(text: str | None) -> datetime | None:
    """RFC 2822, in UTC; None for what is absent or no date."""
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
