"""Recordings of a call, from the request to the callback after which they can be downloaded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.exchange.recording import Recording, RecordParams
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.forms import Form
from sandbox.exchange.twilio.values import API_VERSION, new_sid, now, rfc2822

if TYPE_CHECKING:
    from sandbox.exchange.twilio.calls import Call

EVENTS = ("in-progress", "completed", "absent")


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """A request to record. `source` is Twilio's name for what started the recording."""

    source: str
    channels: int = 1
    callback_url: str = ""
    callback_method: str = "POST"
    events: tuple[str, ...] = ("completed",)

    @classmethod
    def of_form(cls, form: Form, source: str) -> "RecordRequest":
        """From a request to record, or to dial and record. Raises TwilioError."""
        return cls(
            source=source,
            channels=2 if form.choice("RecordingChannels", ("mono", "dual"), "mono") == "dual" else 1,
            callback_url=form.url("RecordingStatusCallback"),
            callback_method=form.method("RecordingStatusCallbackMethod"),
            events=checked_events(form.all("RecordingStatusCallbackEvent")),
        )


def checked_events(events: Iterable[str]) -> tuple[str, ...]:
    """The names of recording events, `completed` if there are none. Raises TwilioError."""
    found = tuple(events) or ("completed",)
    if not set(found) <= set(EVENTS):
        raise errors.invalid("RecordingStatusCallbackEvent", f"may only contain {', '.join(EVENTS)}")
    return found


@dataclass(slots=True, eq=False)
class CallRecording:
    """One recording: its request, and its audio until it has ended."""

    request: RecordRequest
    call_sid: str
    account_path: str
    account_sid: str
    audio: Recording | None
    sid: str
    started_at: datetime = field(default_factory=now)
    status: str = "in-progress"
    seconds: int = -1

    @property
    def path(self) -> str:
        return f"{self.account_path}/Recordings/{self.sid}"

    def describe(self) -> dict[str, Any]:
        """The Recording resource."""
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "call_sid": self.call_sid,
            "conference_sid": None,
            "api_version": API_VERSION,
            "channels": self.request.channels,
            "source": self.request.source,
            "status": self.status,
            "duration": str(self.seconds),
            "start_time": rfc2822(self.started_at),
            "date_created": rfc2822(self.started_at),
            "date_updated": rfc2822(now()),
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "encryption_details": None,
            "track": "both",
            "uri": f"{self.path}.json",
            "media_url": f"{self.path}",
            "subresource_uris": {},
        }


class CallRecordings:
    """All recordings of a call."""

    def __init__(self, call: "Call") -> None:
        self._call = call
        self.by_sid: dict[str, CallRecording] = {}

    def start(self, request: RecordRequest) -> CallRecording:
        """Start a recording. The call must be answered."""
        params = RecordParams("dual" if request.channels == 2 else "single", recording_id=new_sid("RE"))
        account = self._call.account
        audio = self._call.leg.recorder.start(params)
        recording = CallRecording(
            request, self._call.sid, account.path, account.sid, audio=audio, sid=params.recording_id
        )
        self.by_sid[recording.sid] = account.recordings[recording.sid] = recording
        self._tell(recording)
        return recording

    def change(self, recording: CallRecording, status: str, *, keeps_silence: bool) -> None:
        """Pause, resume or stop a recording. Raises TwilioError if it has ended."""
        if recording.status not in {"in-progress", "paused"}:
            raise errors.not_recordable()
        if status == "stopped":
            recording.status = "processing"
            self._call.leg.recorder.stop(recording.sid)
            return
        if keeps_silence and status == "paused":
            raise errors.not_offered("PauseBehavior=silence")
        recording.status = status
        if recording.audio is not None:
            recording.audio.is_paused = status == "paused"

    def saved(self, about: dict[str, Any]) -> None:
        """The audio can now be downloaded."""
        recording = self.by_sid[about["recording_id"]]
        if recording.audio is not None:
            recording.status, recording.seconds = "completed", round(recording.audio.seconds)
            recording.audio = None
        self._tell(recording)

    def _tell(self, recording: CallRecording) -> None:
        if recording.status not in recording.request.events:
            return
        account = self._call.account
        params = {
            "AccountSid": account.sid,
            "CallSid": self._call.sid,
            "RecordingSid": recording.sid,
            "RecordingUrl": account.base_url() + recording.path,
            "RecordingStatus": recording.status,
            "RecordingChannels": str(recording.request.channels),
            "RecordingSource": recording.request.source,
            "RecordingStartTime": rfc2822(recording.started_at) or "",
            "RecordingTrack": "both",
        }
        if recording.status == "completed":
            params["RecordingDuration"] = str(recording.seconds)
        account.send(self._call.callbacks, recording.request.callback_url, recording.request.callback_method, params)
