"""Twilio's requests as CarrierEvents: https://www.twilio.com/docs/voice/twiml#request-parameters

Event ids come from the event and not from the request, so repeated reports of an event are recognized in any callback.
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
# Twilio reports a declined call as "busy" and one to an unknown number as "failed"; the SIP status distinguishes them.
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
    """The same event whether a status, a request for a document, or the end of the call reports it."""
    sid = params["CallSid"]
    at = _moment(params.get("Timestamp")) - timedelta(seconds=seconds_ago)
    return CarrierEvent(CarrierEventType.ANSWERED, f"{sid}:answered", sid, at, client_state=client_state)


def status(params: Params, client_state: str) -> Iterator[CarrierEvent]:
    """The progress of a call, including its end; nothing for a status that we do not use.

    The duration of the call gives the time of its answer, in case that report is missing.
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
    """The result of answering machine detection; undecided results count as persons."""
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
        # Both channels: for this format Twilio would otherwise mix them into one.
        detail=f"{params['RecordingUrl']}.wav?RequestedChannels=2" if is_saved else state,
        began_at=_date(params.get("RecordingStartTime")) if is_saved else None,
    )


def spoken(
    sid: str, pieces: Sequence[Piece], since: str, client_state: str, *, is_interrupted: bool
) -> Iterator[CarrierEvent]:
    """The start and the end of a document's speech, which Twilio does not report itself."""
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
    """The result of a <Gather>: words, or a key."""
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
    """The duration of a call, at most the day that Twilio allows; 0 if it is not a number."""
    return min(int(text), 86400) if text.isdecimal() and len(text) < 10 else 0


def _moment(text: str | None) -> datetime:
    """The time of a report, which Twilio gives in whole seconds: the latest possible moment within that second."""
    now, given = timezone.now(), _date(text)
    return now if given is None else min(now, given + timedelta(milliseconds=999))


def _date(text: str | None) -> datetime | None:
    """An RFC 2822 date in UTC; None if it is missing or invalid."""
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
