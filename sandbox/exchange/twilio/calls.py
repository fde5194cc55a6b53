"""A call at Twilio: its resource, its status callbacks, and the TwiML that runs on it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import aiohttp

from sandbox.exchange.handsets.handset import Handset
from sandbox.exchange.legs import SIP_CAUSES, Leg
from sandbox.exchange.media_stream import MediaStream, StreamParams
from sandbox.exchange.switch import BEGIN_DELAY_SECONDS
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.callbacks import CallbackQueue
from sandbox.exchange.twilio.detection import Detection
from sandbox.exchange.twilio.recordings import CallRecordings, RecordRequest
from sandbox.exchange.twilio.streams import StreamOwner, TwilioStream
from sandbox.exchange.twilio.twiml import Source
from sandbox.exchange.twilio.values import API_VERSION, new_sid, now, rfc2822
from sandbox.exchange.webhooks import WebhookQueue

Direction = Literal["inbound", "outbound-api", "outbound-dial"]
Listener = Callable[[str, dict[str, Any]], None]

# Hangup cause → status. A declined call counts as busy. Its SIP code distinguishes the two.
FINAL_STATUS = {
    "user_busy": "busy",
    "call_rejected": "busy",
    "not_found": "failed",
    "timeout": "no-answer",
    "no_answer": "no-answer",
    "originator_cancel": "no-answer",
}
# After this time, only the resource is kept, not the leg and the phone.
KEEP_ENDED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """The URL that gets a call's progress. `events`: initiated, ringing, answered, completed."""

    url: str = ""
    method: str = "POST"
    events: tuple[str, ...] = ("completed",)


@dataclass(slots=True, eq=False)
class Call:
    """A leg with its Twilio state. `first` is the TwiML that runs when the call is answered, or when it rings if inbound."""

    account: Account
    direction: Direction
    handset: Handset
    from_number: str
    to_number: str
    first: Source | None = None
    callback: StatusCallback = field(default_factory=StatusCallback)
    parent: "Call | None" = None
    detection: Detection | None = None
    send_digits: str = ""
    record_on_answer: RecordRequest | None = None
    time_limit_seconds: int = 14400
    caller_name: str = ""
    phone_number_sid: str | None = None
    sid: str = field(default_factory=lambda: new_sid("CA"))
    is_canceled: bool = False
    answered_by: str | None = None
    leg: Leg = field(init=False)
    recordings: CallRecordings = field(init=False)
    created_at: datetime = field(default_factory=now)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    final_status: str = ""
    hangup_cause: str = ""
    on_answer: Callable[[], None] | None = None
    on_redirect: Callable[[], None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    callbacks: CallbackQueue = field(default_factory=CallbackQueue)
    _answered_at: float = 0.0
    _seconds: int = 0
    _sequence: int = 0
    _run: asyncio.Task[None] | None = None
    _listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recordings = CallRecordings(self)
        self.leg = Leg(
            context=self.account.switch.context,
            direction="incoming" if self.direction == "inbound" else "outgoing",
            handset=self.handset,
            from_number=self.from_number,
            to_number=self.to_number,
            connection_id=self.account.sid,
            webhook_queue=WebhookQueue(""),
            time_limit_seconds=self.time_limit_seconds,
            caller_name=self.caller_name,
            detection=self.detection.machine if self.detection else None,
            call_control_id=self.sid,
            on_report=self._on_report,
            open_stream=self._open_stream,
        )
        self.account.switch.add(self.leg)
        self.account.calls[self.sid] = self

    def _open_stream(self, leg: Leg, params: StreamParams, http: aiohttp.ClientSession) -> MediaStream:
        owner = StreamOwner(self.account.sid, self.account.auth_token, self.sid, self.warn)
        return TwilioStream(leg, params, http, owner)

    # --- progress -----------------------------------------------------------------------------------------------------

    def begin(self, ring_seconds: float, refusal: str = "") -> None:
        """Start ringing."""
        if self.final_status:
            return
        self.started_at = now()
        self._tell("initiated")
        self.leg.begin(ring_seconds, refusal)
        if not self.final_status:
            self._tell("ringing")
            if self.direction == "inbound" and self.first is not None:
                self.play(self.first)

    def begin_soon(self, ring_seconds: float, refusal: str = "") -> None:
        """Start ringing after the response to the request has been sent."""
        asyncio.get_running_loop().call_later(BEGIN_DELAY_SECONDS, self.begin, ring_seconds, refusal)

    def answer(self) -> None:
        """Answer a ringing inbound call."""
        if self.direction == "inbound" and self.leg.state == "ringing":
            self.leg.answer()

    def redirect(self, source: Source) -> None:
        """Run another document, requested over REST. The call that dialed this one continues without it."""
        if self.on_redirect is not None:
            self.on_redirect()
        self.play(source)

    def play(self, source: Source, *, ends_call: bool = True) -> None:
        """Run a document instead of the current one."""
        self.stop_document()
        tasks = self.account.switch.context.tasks
        self._run = tasks.start(self.account.interpreter(self, source, ends_call=ends_call), "twiml")

    async def document_over(self) -> None:
        """Wait until the running document has ended or was stopped."""
        if self._run is not None:
            await asyncio.wait([self._run])

    def stop_document(self) -> None:
        """Stop the running document, including its current verb."""
        if self._run is not None:
            self._run.cancel()
            self._run = None

    def cancel(self) -> None:
        """Hang up, requested over REST."""
        if not self.final_status:
            self.is_canceled = self.leg.state != "answered"
            self.leg.hang_up()

    @property
    def status(self) -> str:
        if self.final_status:
            return self.final_status
        if self.leg.state == "answered":
            return "in-progress"
        return "queued" if self.started_at is None else "ringing"

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Pass the leg's reports to `listener` during the context."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def _on_report(self, event_type: str, about: dict[str, Any]) -> None:
        if event_type == "call.answered":
            self._on_answered()
        elif event_type == "call.hangup":
            self._on_hangup(about["hangup_cause"])
        elif event_type == "call.recording.saved":
            self.recordings.saved(about)
        elif event_type.startswith("call.machine.") and self.detection is not None:
            self.detection.heard(self, event_type, about)
        for listener in list(self._listeners):
            listener(event_type, about)

    def _on_answered(self) -> None:
        self.started_at, self._answered_at = now(), asyncio.get_running_loop().time()
        self._tell("answered", status="in-progress")
        if self.detection is not None:
            self.detection.begin(self)
        if self.record_on_answer is not None:
            self.recordings.start(self.record_on_answer)
        if self.send_digits:
            self.account.switch.context.tasks.start(self.leg.send_digits(self.send_digits, 0.25), "send digits")
        if self.on_answer is not None:
            self.on_answer()
        elif self.direction != "inbound" and self.first is not None:
            if self.detection is not None and not self.detection.is_async:
                return  # the document starts after the verdict
            self.play(self.first)

    def verdict(self, answered_by: str, milliseconds: int) -> None:
        """Answering machine detection has ended: send the callback, or start the document that was waiting."""
        if self.detection is None or self.answered_by is not None:
            return
        self.answered_by = answered_by
        found = {"AnsweredBy": answered_by, "MachineDetectionDuration": str(milliseconds)}
        if self.detection.is_async:
            about = {"AccountSid": self.account.sid, "CallSid": self.sid}
            self.account.send(
                self.callbacks, self.detection.callback_url, self.detection.callback_method, about | found
            )
        elif self.first is not None:
            self.play(self.first)

    def _on_hangup(self, cause: str) -> None:
        self.hangup_cause = cause
        self.ended_at = now()
        if self._answered_at:
            self._seconds = round(asyncio.get_running_loop().time() - self._answered_at)
            self.final_status = "completed"
        else:
            self.final_status = "canceled" if self.is_canceled else FINAL_STATUS.get(cause, "completed")
        self.stop_document()
        self._tell("completed")
        self.ended.set()
        asyncio.get_running_loop().call_later(KEEP_ENDED_SECONDS, self.account.file_away, self)

    # --- reports ------------------------------------------------------------------------------------------------------

    def params(self, *, status: str = "") -> dict[str, str]:
        """The parameters of every request about this call. Twilio's location parameters are included and empty."""
        both = {"From": self.from_number, "To": self.to_number, "Caller": self.from_number, "Called": self.to_number}
        places = {f"{who}{what}": "" for who in both for what in ("City", "State", "Zip", "Country")}
        params = {
            "AccountSid": self.account.sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": status or self.status,
            "Direction": self.direction,
        }
        if self.parent is not None:
            params["ParentCallSid"] = self.parent.sid
        if self.answered_by is not None:
            params["AnsweredBy"] = self.answered_by
        return params | both | places

    def _tell(self, event: str, status: str = "") -> None:
        sequence, self._sequence = self._sequence, self._sequence + 1
        if event not in self.callback.events:
            return
        params = self.params(status=status or ("initiated" if event == "initiated" else ""))
        params |= {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(sequence),
            "Timestamp": rfc2822(now()) or "",
        }
        if event == "completed":
            params |= {"CallDuration": str(self._seconds), "Duration": str(-(-self._seconds // 60))}
            params["SipResponseCode"] = SIP_CAUSES.get(self.hangup_cause, "200")
        self.account.send(self.callbacks, self.callback.url, self.callback.method, params)

    def warn(self, code: int, text: str) -> None:
        """Add an entry to the account's error log."""
        self.account.notify(self.sid, code, text)

    @property
    def path(self) -> str:
        return f"{self.account.path}/Calls/{self.sid}"

    def describe(self) -> dict[str, Any]:
        """The Call resource."""
        return {
            "sid": self.sid,
            "account_sid": self.account.sid,
            "parent_call_sid": self.parent.sid if self.parent else None,
            "api_version": API_VERSION,
            "to": self.to_number,
            "to_formatted": self.to_number,
            "from": self.from_number,
            "from_formatted": self.from_number,
            "caller_name": self.caller_name or None,
            "forwarded_from": None,
            "phone_number_sid": self.phone_number_sid,
            "direction": self.direction,
            "status": self.status,
            "answered_by": self.answered_by,
            "start_time": rfc2822(self.started_at),
            "end_time": rfc2822(self.ended_at),
            "duration": str(self._seconds) if self.final_status else None,
            "date_created": rfc2822(self.created_at),
            "date_updated": rfc2822(self.ended_at or self.started_at or self.created_at),
            "price": None,
            "price_unit": "USD",
            "annotation": None,
            "group_sid": None,
            "queue_time": "0",
            "trunk_sid": None,
            "uri": f"{self.path}.json",
            "subresource_uris": {
                "recordings": f"{self.path}/Recordings.json",
                "notifications": f"{self.path}/Notifications.json",
            },
        }
