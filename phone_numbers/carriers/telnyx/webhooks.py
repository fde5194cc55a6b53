"""Telnyx's webhooks as CarrierEvents: https://developers.telnyx.com/api-reference/callbacks

Bodies are parsed leniently, because live ones contain more than the documentation says. Kinds outside the table are ignored.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bubblyphone.core.json.documents import parse_foreign_json
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType

EVENT_TYPES: Mapping[str, CarrierEventType] = {
    "call.initiated": CarrierEventType.INITIATED,
    "call.answered": CarrierEventType.ANSWERED,
    "call.hangup": CarrierEventType.ENDED,
    "call.dtmf.received": CarrierEventType.DTMF,
    "call.machine.detection.ended": CarrierEventType.MACHINE_DETECTED,
    "call.machine.premium.detection.ended": CarrierEventType.MACHINE_DETECTED,
    "call.machine.greeting.ended": CarrierEventType.MACHINE_GREETING_ENDED,
    "call.machine.premium.greeting.ended": CarrierEventType.MACHINE_GREETING_ENDED,
    "call.machine.premium.call_screening.detected": CarrierEventType.SCREENING_DETECTED,
    "streaming.failed": CarrierEventType.STREAM_FAILED,
    "call.speak.started": CarrierEventType.SPEAK_STARTED,
    "call.speak.ended": CarrierEventType.SPEAK_ENDED,
    "call.transcription": CarrierEventType.TRANSCRIPTION,
    "call.recording.saved": CarrierEventType.RECORDING_SAVED,
    "call.recording.error": CarrierEventType.RECORDING_FAILED,
}
DIRECTIONS = {"incoming": "inbound", "outgoing": "outbound"}
# An open set: other causes are looked up by their SIP status.
HANGUP_CAUSES: Mapping[str, str] = {
    "normal_clearing": "normal_clearing",
    "normal_unspecified": "normal_clearing",
    "user_busy": "busy",
    "timeout": "no_answer",
    "no_answer": "no_answer",
    "no_user_response": "no_answer",
    "originator_cancel": "no_answer",
    "subscriber_absent": "no_answer",
    "call_rejected": "rejected",
    "not_found": "invalid_number",
    "unallocated_number": "invalid_number",
    "invalid_number_format": "invalid_number",
    "number_changed": "invalid_number",
    "time_limit": "max_duration",
    "machine_detected": "voicemail",
}
SIP_CAUSES: Mapping[str, str] = {
    "200": "normal_clearing",
    "403": "rejected",
    "404": "invalid_number",
    "408": "no_answer",
    "410": "invalid_number",
    "480": "no_answer",
    "484": "invalid_number",
    "486": "busy",
    "487": "no_answer",
    "600": "busy",
    "603": "rejected",
    "604": "invalid_number",
    "607": "rejected",
}
OTHER_CAUSE = "carrier_failed"
# Everything else counts as a person, including silence and undecided results, as Telnyx recommends.
MACHINES = {"machine", "fax_detected"}


def parse(body: bytes) -> CarrierEvent | None:
    """Translate a verified webhook; None for a kind that we do not use. Raises ValueError."""
    try:
        data = parse_foreign_json(body)["data"]
        kind = EVENT_TYPES.get(data["event_type"])
        return None if kind is None else _translate(kind, data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("Not a webhook of Telnyx's Call Control API.") from error


def _translate(kind: CarrierEventType, data: dict[str, Any]) -> CarrierEvent:
    payload = data["payload"]
    if kind is CarrierEventType.TRANSCRIPTION and not payload["transcription_data"].get("is_final"):
        kind = CarrierEventType.CALLER_SPEAKS
    return CarrierEvent(
        type=kind,
        event_id=str(data["id"]),
        carrier_call_id=_call_id(kind, payload),
        occurred_at=_moment(data["occurred_at"]),
        client_state=decode_client_state(payload.get("client_state")),
        direction=DIRECTIONS[payload["direction"]] if kind is CarrierEventType.INITIATED else "",
        from_number=_text(payload.get("from")),
        to_number=_text(payload.get("to")),
        cause=hangup_cause(payload) if kind is CarrierEventType.ENDED else "",
        detail=_detail(kind, payload),
        began_at=_recording_began(payload) if kind is CarrierEventType.RECORDING_SAVED else None,
    )


def hangup_cause(payload: Mapping[str, Any]) -> str:
    """Our `hangup_cause` for the end of a call."""
    known = HANGUP_CAUSES.get(_text(payload.get("hangup_cause")).lower())
    return known or SIP_CAUSES.get(_text(payload.get("sip_hangup_cause")), OTHER_CAUSE)


def encode_client_state(text: str) -> str:
    """Base64, the only encoding that Telnyx accepts."""
    return base64.b64encode(text.encode()).decode()


def decode_client_state(value: Any) -> str:
    """The `client_state` that we gave the call; empty if it is missing or not ours."""
    try:
        return base64.b64decode(_text(value), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _detail(kind: CarrierEventType, payload: Mapping[str, Any]) -> str:
    match kind:
        case CarrierEventType.DTMF:
            return _text(payload.get("digit"))
        case CarrierEventType.MACHINE_DETECTED:
            return "machine" if payload.get("result") in MACHINES else "human"
        case CarrierEventType.MACHINE_GREETING_ENDED:
            return _text(payload.get("result"))
        case CarrierEventType.STREAM_FAILED:
            return _text(payload.get("failure_reason"))
        case CarrierEventType.SPEAK_ENDED:
            return _text(payload.get("status"))
        case CarrierEventType.TRANSCRIPTION:
            return _text(payload["transcription_data"].get("transcript")).strip()
        case CarrierEventType.RECORDING_SAVED:
            return _text((payload.get("recording_urls") or {}).get("wav"))
        case CarrierEventType.RECORDING_FAILED:
            return _text(payload.get("reason"))
    return ""


def _call_id(kind: CarrierEventType, payload: Mapping[str, Any]) -> str:
    """Telnyx's recording events may lack it; then `client_state` identifies the call."""
    if kind in {CarrierEventType.RECORDING_SAVED, CarrierEventType.RECORDING_FAILED}:
        return _text(payload.get("call_control_id"))
    return str(payload["call_control_id"])


def _recording_began(payload: Mapping[str, Any]) -> datetime | None:
    """Optional: the event is also accepted if this is missing or not a valid time."""
    try:
        return _moment(_text(payload.get("recording_started_at")))
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("A time without a time zone.")
    return moment


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
