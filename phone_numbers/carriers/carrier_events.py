"""Events that a carrier reports about calls, independent of the vendor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CarrierEventType(StrEnum):
    INITIATED = "initiated"
    ANSWERED = "answered"
    ENDED = "ended"
    STREAM_FAILED = "stream_failed"
    DTMF = "dtmf"
    MACHINE_DETECTED = "machine_detected"
    MACHINE_GREETING_ENDED = "machine_greeting_ended"
    SCREENING_DETECTED = "screening_detected"  # the phone asks who is calling; detection starts again afterwards
    SPEAK_STARTED = "speak_started"
    SPEAK_ENDED = "speak_ended"
    CALLER_SPEAKS = "caller_speaks"  # frequent and redundant: not stored
    TRANSCRIPTION = "transcription"
    RECORDING_SAVED = "recording_saved"
    RECORDING_FAILED = "recording_failed"


@dataclass(frozen=True, slots=True)
class CarrierEvent:
    """One report. `event_id` is the carrier's; only a repeat of the same report repeats it.

    `client_state` is what we gave the call (our call id as decimal digits, or empty) or the new leg of a transfer. `cause` is one
    of our hang-up causes, set for ENDED. `detail` holds the digit of DTMF, the verdict of MACHINE_DETECTED ("human" or
    "machine"), the reason of STREAM_FAILED and RECORDING_FAILED, how a SPEAK_ENDED ended ("completed", "call_hangup" …), what the
    caller said of TRANSCRIPTION, the URL of RECORDING_SAVED, where the file is available for some minutes. `began_at` is when
    the recording of RECORDING_SAVED began, by the carrier's clock, if it says so.
    """

    type: CarrierEventType
    event_id: str
    carrier_call_id: str
    occurred_at: datetime
    client_state: str = ""
    direction: str = ""  # "inbound" or "outbound", set for INITIATED
    from_number: str = ""
    to_number: str = ""
    cause: str = ""
    detail: str = ""
    began_at: datetime | None = None
    carrier: str = ""  # the reporting carrier; filled in by `calls.control.carrier_webhooks`
