"""Calls, and what is made of them afterwards. Django finds an app's models in this package."""

from calls.models.after_call import AfterCallWork, Analysis, Recording, Transcription
from calls.models.call import (
    ENDED_STATUSES,
    SUMMED_UP,
    TRANSCRIPT_LANGUAGE,
    Call,
    CallEvent,
    CallQuerySet,
    CallStatus,
    CallTurn,
    CarrierEventRecord,
    Direction,
    SpeechTime,
    TranscriptEntry,
    Transfer,
    Utterance,
)
from calls.models.call_fields import HangupCause, Outcome, Screened
from calls.models.call_sums import CallSums, StaleDay, SummedDay
from calls.models.media_node import MediaNode
from calls.models.policy import DialingPolicy, DoNotCallNumber
from calls.models.saved_view import SavedView
from calls.models.scheduled_call import ScheduledCall
