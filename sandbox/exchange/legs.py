"""One call between the platform and a handset: its state, its audio clock, and its reports."""

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from sandbox.exchange import errors
from sandbox.exchange.amd import MachineDetection
from sandbox.exchange.announcements import Announcer
from sandbox.exchange.audio.audio_queue import FRAME_SECONDS, SILENCE
from sandbox.exchange.audio.codecs import line_codec
from sandbox.exchange.audio.mixing import mix, mix_for
from sandbox.exchange.audio.recognizer import Recognizer
from sandbox.exchange.audio.tones import RINGBACK
from sandbox.exchange.audio.tts import Tts
from sandbox.exchange.bridging import Junction
from sandbox.exchange.handsets.handset import Handset, Signal
from sandbox.exchange.media_stream import MediaStream, StreamParams
from sandbox.exchange.recording import Recorder, RecordParams
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.transcription import Transcription, TranscriptionParams
from sandbox.exchange.webhooks import WebhookQueue, WebhookSender, now_text

Source = Literal["caller", "callee", "unknown"]
# The SIP responses for Telnyx's hangup causes.
SIP_CAUSES = {
    "normal_clearing": "200",
    "originator_cancel": "487",
    "user_busy": "486",
    "call_rejected": "603",
    "not_found": "404",
    "timeout": "408",
    "no_answer": "480",
    "time_limit": "200",
}
DTMF_PAUSES_SECONDS = {"w": 0.5, "W": 1.0}
DTMF_GAP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """What every leg needs from its exchange. Without the `offline` packages it cannot speak or recognize speech."""

    http: aiohttp.ClientSession
    webhooks: WebhookSender
    tasks: Tasks
    recording_store: RecordingStore
    tts: Tts | None
    recognizer: Recognizer | None


@dataclass(slots=True, eq=False)
class Leg:
    """`incoming`: a handset calls the platform, which can answer. `outgoing`: the platform calls a handset, which can
    answer.

    States: ringing → answered → ended, or ringing → ended. A leg is a handset's `Line`.
    """

    context: ExchangeContext
    direction: Literal["incoming", "outgoing"]
    handset: Handset
    from_number: str
    to_number: str
    connection_id: str
    webhook_queue: WebhookQueue
    client_state: str | None = None
    no_answer_cause: Literal["timeout", "no_answer"] = "timeout"
    time_limit_seconds: int = 14400
    stream_on_answer: StreamParams | None = None
    record_on_answer: RecordParams | None = None
    transcribe_on_answer: TranscriptionParams | None = None
    detection: MachineDetection | None = None
    caller_name: str = ""
    open_stream: Callable[["Leg", StreamParams, aiohttp.ClientSession], MediaStream] = MediaStream
    on_answer: Callable[["Leg"], None] = field(default=lambda leg: None)
    on_end: Callable[["Leg"], None] = field(default=lambda leg: None)
    on_report: Callable[[str, dict[str, Any]], None] = field(default=lambda event_type, about: None)
    state: Literal["ringing", "answered", "ended"] = "ringing"
    call_control_id: str = field(default_factory=lambda: "v3:" + secrets.token_urlsafe(40))
    call_leg_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    call_session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    start_time: str = field(default_factory=now_text)
    end_time: str = ""
    stream: MediaStream | None = None
    transcription: Transcription | None = None
    bridge: Junction | None = None
    transfer_to: "Leg | None" = None  # ringing until it is bridged
    announcer: Announcer = field(init=False)
    recorder: Recorder = field(init=False)
    _answered_at: float = 0.0
    _ended_at: float = 0.0
    _stream_reported: bool = False
    _audio: asyncio.Task[None] | None = None
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.announcer = Announcer(self, self.context.tasks)
        self.recorder = Recorder(self, self.context.recording_store, self.context.tasks)

    # --- beginning ----------------------------------------------------------------------------------------------------

    def begin(self, ring_seconds: float, refusal: str = "") -> None:
        """Report the call and let it ring. It ends if unanswered after `ring_seconds`, or immediately with a `refusal`."""
        if self.state == "ended":
            return
        incoming = self.direction == "incoming"
        self.report(
            "call.initiated",
            direction=self.direction,
            state="parked" if incoming else "bridging",
            start_time=self.start_time,
            caller_id_name=self.caller_name or self.from_number,
            offered_codecs="PCMU,PCMA",
            connection_codecs="PCMU,PCMA",
        )
        if self.handset.line is not None:
            refusal = "user_busy"
        if refusal:
            self.end(refusal, "callee")
            return
        self.handset.line = self
        self.later(ring_seconds, lambda: self.end(self.no_answer_cause, "unknown"))
        self.handset.on_ringing(self, inbound=not incoming)

    def _answered(self) -> None:
        self._cancel_timers()
        self.state = "answered"
        self._answered_at = asyncio.get_running_loop().time()
        self.report(
            "call.answered",
            start_time=self.start_time,
            state="answered",
            codec=line_codec(self.far_number),
            sampling_rate=8000,
        )
        self.later(self.time_limit_seconds, lambda: self.end("time_limit", "unknown"))
        self.handset.on_answered()
        self._audio = self.context.tasks.start(self._run_audio(), "leg audio")
        if self.stream_on_answer is not None:
            self.start_stream(self.stream_on_answer)
        if self.record_on_answer is not None:
            self.recorder.start(self.record_on_answer)
        if self.transcribe_on_answer is not None:
            self.start_transcription(self.transcribe_on_answer)
        if self.detection is not None:
            self.detection.start(self)
        self.on_answer(self)

    @property
    def far_number(self) -> str:
        """The person's number, not the platform's."""
        return self.from_number if self.direction == "incoming" else self.to_number

    # --- commands of the platform -------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Answer an incoming call. A second `answer` does nothing. Raises ApiError."""
        if self.direction == "outgoing":
            raise errors.answer_on_outbound()
        if self.state == "ringing":
            self._answered()

    def reject(self, cause: str) -> None:
        """Refuse a ringing incoming call: CALL_REJECTED or USER_BUSY. Raises ApiError."""
        if self.direction == "outgoing" or self.state != "ringing":
            raise errors.invalid("/call_control_id", "Only an incoming call that is not answered can be rejected.")
        self.end("user_busy" if cause == "USER_BUSY" else "call_rejected", "callee")

    def hang_up(self) -> None:
        """End the call from the platform's side."""
        if self.direction == "outgoing":
            self.end("normal_clearing" if self.state == "answered" else "originator_cancel", "caller")
        else:
            self.end("normal_clearing" if self.state == "answered" else "call_rejected", "callee")

    def require_answered(self) -> None:
        if self.state != "answered":
            raise errors.not_answered()

    def start_stream(self, params: StreamParams) -> None:
        """Open the media stream, which replaces the current one."""
        self.stop_stream()
        self.stream = self.open_stream(self, params, self.context.http)
        self.context.tasks.start(self.stream.run(), "media stream")

    def stop_stream(self) -> bool:
        """Close the media stream. False if there is none."""
        stream, self.stream = self.stream, None
        if stream is None:
            return False
        self.context.tasks.start(stream.stop(), "media stop")
        self._report_stream_stopped(stream)
        return True

    def start_transcription(self, params: TranscriptionParams) -> None:
        """Transcribe from now on. Raises ApiError."""
        if self.context.recognizer is None:
            raise errors.not_offered("transcription without the `offline` packages")
        if self.transcription is not None:
            raise errors.already_transcribing()
        self.transcription = Transcription(self, params, self.context.recognizer, self.context.tasks)

    def stop_transcription(self) -> None:
        """Stop transcription, if it runs."""
        if self.transcription is not None:
            self.transcription.stop()
            self.transcription = None

    async def send_digits(self, digits: str, duration_seconds: float) -> None:
        """Send keys to the handset. `w` and `W` are pauses of 0.5 and 1 s."""
        for digit in digits:
            if self.state != "answered":
                return
            if digit in DTMF_PAUSES_SECONDS:
                await asyncio.sleep(DTMF_PAUSES_SECONDS[digit])
            else:
                self.handset.on_dtmf(digit)
                await asyncio.sleep(duration_seconds + DTMF_GAP_SECONDS)

    # --- the handset's line -------------------------------------------------------------------------------------------

    def pick_up(self) -> None:
        if self.direction == "outgoing" and self.state == "ringing":
            self._answered()

    def decline(self, *, busy: bool = False) -> None:
        if self.direction == "outgoing" and self.state == "ringing":
            self.end("user_busy" if busy else "call_rejected", "callee")

    def put_down(self) -> None:
        if self.direction == "incoming":
            self.end("normal_clearing" if self.state == "answered" else "originator_cancel", "caller")
        elif self.state == "answered":
            self.end("normal_clearing", "callee")
        else:
            self.decline()

    def press(self, digit: str) -> None:
        if self.state != "answered":
            return
        self.report("call.dtmf.received", digit=digit)
        if self.stream is not None:
            self.context.tasks.start(self.stream.send_dtmf(digit), "dtmf")
        if self.bridge is not None:
            self.bridge.press(self, digit)

    def signal(self, signal: Signal) -> None:
        if self.detection is not None and self.state == "answered":
            self.detection.hear(self, signal)

    # --- audio --------------------------------------------------------------------------------------------------------

    async def _run_audio(self) -> None:
        """Exchange a frame in each direction every 20 ms from the answer. Deadlines are absolute, so delays do not add up."""
        start = asyncio.get_running_loop().time()
        ticks = 0
        while True:
            ticks += 1
            delay = start + ticks * FRAME_SECONDS - asyncio.get_running_loop().time()
            # Also if this leg is late, so that other tasks can run while it catches up.
            await asyncio.sleep(max(delay, 0))
            said = self.handset.next_frame() or SILENCE
            heard = await self._exchange_frames(said)
            if heard == SILENCE and self.transfer_to is not None:
                heard = RINGBACK[ticks % len(RINGBACK)]
            self.recorder.hear(said, heard)
            if self.transcription is not None:
                self.transcription.hear(said, heard)
            self.handset.play(heard)

    async def _exchange_frames(self, said: bytes) -> bytes:
        """Pass 20 ms of the person's audio to all listeners. Returns the 20 ms that the person hears."""
        from_bridge = self.bridge.receive(self) if self.bridge is not None else SILENCE
        sources = [self.announcer.next_frame()]
        heard = mix(from_bridge, mix_for("self", sources))
        if (stream := self.stream) is not None:
            sources.append((await stream.exchange_frames(said, heard), stream.params.target_legs))
            heard = mix(from_bridge, mix_for("self", sources))
        if self.bridge is not None:
            self.bridge.send(self, mix(said, mix_for("opposite", sources)))
        return heard

    def stream_started(self, stream: MediaStream) -> None:
        if stream is self.stream:
            self._stream_reported = True
            self.report("streaming.started", parties=False, stream_url=stream.params.url)

    def stream_stopped(self, stream: MediaStream) -> None:
        if stream is self.stream:
            self.stream = None
            self._report_stream_stopped(stream)

    def stream_failed(self, stream: MediaStream, reason: str) -> None:
        """The stream has ended, and the call continues without it."""
        if stream is not self.stream:
            return
        self.stream = None
        self._stream_reported = False
        params = {"stream_url": stream.params.url, "track": stream.params.track}
        self.report(
            "streaming.failed",
            parties=False,
            failure_reason=reason,
            stream_id=stream.stream_id,
            stream_type="websocket",
            stream_params=params,
        )

    def _report_stream_stopped(self, stream: MediaStream) -> None:
        if self._stream_reported:
            self._stream_reported = False
            self.report("streaming.stopped", parties=False, stream_url=stream.params.url)

    # --- the end ------------------------------------------------------------------------------------------------------

    def end(self, cause: str, source: Source) -> None:
        """End the call, once. Every end of a call goes through here."""
        if self.state == "ended":
            return
        self._cancel_timers()
        self.announcer.close()
        self.stop_stream()
        self.state = "ended"
        self.end_time = now_text()
        self._ended_at = asyncio.get_running_loop().time()
        if self._audio is not None:
            self._audio.cancel()
        self.report(
            "call.hangup",
            start_time=self.start_time,
            state="hangup",
            hangup_cause=cause,
            hangup_source=source,
            sip_hangup_cause=SIP_CAUSES.get(cause, "unspecified"),
        )
        self.recorder.stop()
        if self.transcription is not None:
            self.transcription.finish()
        # A phone that was busy keeps its other call.
        if self.handset.line is self:
            self.handset.line = None
            self.handset.on_ended(cause)
        if self.bridge is not None:
            self.bridge.leave(self)
        if self.transfer_to is not None:
            self.transfer_to.hang_up()
        self.on_end(self)

    # --- reporting ----------------------------------------------------------------------------------------------------

    def report(self, event_type: str, *, parties: bool = True, **extra: Any) -> None:
        """Call `on_report`, and send a webhook. Streaming and transcription events do not name the `parties`."""
        self.on_report(event_type, extra)
        payload = self.ids() | {"connection_id": self.connection_id, "client_state": self.client_state}
        if parties:
            payload |= {"from": self.from_number, "to": self.to_number}
        self.context.webhooks.send(self.webhook_queue, event_type, payload | extra)

    def ids(self) -> dict[str, Any]:
        """The IDs of the call in the API."""
        return {
            "call_control_id": self.call_control_id,
            "call_leg_id": self.call_leg_id,
            "call_session_id": self.call_session_id,
        }

    def describe(self) -> dict[str, Any]:
        """The `call` object of the API."""
        call = {"record_type": "call", **self.ids(), "is_alive": self.state != "ended", "start_time": self.start_time}
        if self._answered_at:
            call["call_duration"] = int((self._ended_at or asyncio.get_running_loop().time()) - self._answered_at)
        if self.end_time:
            call["end_time"] = self.end_time
        if self.client_state is not None:
            call["client_state"] = self.client_state
        return call

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, unless the call's state changes first."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
