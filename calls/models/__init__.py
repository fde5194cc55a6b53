"""Calls, and what is made of them afterwards. Django finds an app's models in this package."""

from calls.models.after_call import AfterCallWork, Analysis, Recording, RecordingPolicy, Transcription
from calls.models.call import (
    SUMMED_UP,
    Call,
    CallEvent,
    CallStatus,
    CallTurn,
    CarrierEventRecord,
    Direction,
    HangupCause,
    SpeechTime,
    TranscriptEntry,
    Transfer,
    Utterance,
)

__all__ = [
    "SUMMED_UP",
    "AfterCallWork",
    "Analysis",
    "Call",
    "CallEvent",
    "CallStatus",
    "CallTurn",
    "CarrierEventRecord",
    "Direction",
    "HangupCause",
    "Recording",
    "RecordingPolicy",
    "SpeechTime",
    "TranscriptEntry",
    "Transcription",
    "Transfer",
    "Utterance",
]
