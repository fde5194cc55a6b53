"""REST: dialing, and commands for calls. 200 means that a command was accepted. Webhooks report its effect."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.exchange.announcements import Announcement
from sandbox.exchange.audio.audio_sources import plain_text, played, spoken
from sandbox.exchange.audio.codecs import line_codec
from sandbox.exchange.errors import ApiError, invalid, missing, not_offered, not_streaming, speak_length
from sandbox.exchange.http import data_response, paged, read_json
from sandbox.exchange.legs import Leg
from sandbox.exchange.media_stream import StreamParams
from sandbox.exchange.recording import Recording, RecordParams
from sandbox.exchange.switch import Switch
from sandbox.exchange.telnyx import schemas
from sandbox.exchange.transcription import TranscriptionParams
from sandbox.exchange.validation import Schema, validate

# A command whose command_id is repeated within this time gets the same response and is not carried out again.
REPEAT_SECONDS = 60.0
DEFAULT_DTMF_MS = 250
# Telnyx's documentation says 5000 in one place and 3000 in another. The smaller limit is safe with both.
MAX_SPEAK_CHARACTERS = 3000
OK: dict[str, Any] = {"result": "ok"}
Body = dict[str, Any]


class CallsApi:
    """One method for each command, with Telnyx's name."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._answers: dict[tuple[str, str], tuple[float, Any]] = {}
        self._commands: dict[str, tuple[Schema, Callable[[Leg, Body], Body | None]]] = {
            "answer": (schemas.ANSWER, self.answer),
            "reject": (schemas.REJECT, self.reject),
            "hangup": (schemas.HANGUP, self.hangup),
            "streaming_start": (schemas.STREAMING_START, self.streaming_start),
            "streaming_stop": (schemas.STREAMING_STOP, self.streaming_stop),
            "send_dtmf": (schemas.SEND_DTMF, self.send_dtmf),
            "transfer": (schemas.TRANSFER, self.transfer),
            "bridge": (schemas.BRIDGE, self.bridge),
            "speak": (schemas.SPEAK, self.speak),
            "playback_start": (schemas.PLAYBACK_START, self.playback_start),
            "playback_stop": (schemas.PLAYBACK_STOP, self.playback_stop),
            "transcription_start": (schemas.TRANSCRIPTION_START, self.transcription_start),
            "transcription_stop": (schemas.TRANSCRIPTION_STOP, self.transcription_stop),
            "record_start": (schemas.RECORD_START, self.record_start),
            "record_stop": (schemas.RECORD_STOP, self.record_stop),
            "record_pause": (schemas.RECORD_STOP, self.record_pause),
            "record_resume": (schemas.RECORD_STOP, self.record_resume),
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/call_control_applications", self.applications),
            web.post("/v2/calls", self.dial),
            web.get("/v2/calls/{call_control_id}", self.status),
            web.post("/v2/calls/{call_control_id}/actions/{command}", self.command),
            web.put("/v2/calls/{call_control_id}/actions/client_state_update", self.client_state_update),
        ]

    async def applications(self, request: web.Request) -> web.Response:
        """The account has one application, and all of its numbers belong to it."""
        application = {
            "record_type": "call_control_application",
            "id": self._switch.connection_id,
            "application_name": "Built-in exchange",
            "active": True,
            "webhook_api_version": "2",
            "webhook_event_url": self._switch.webhook_url,
        }
        return paged(request, [application])

    async def dial(self, request: web.Request) -> web.Response:
        body = validate(await read_json(request), schemas.DIAL)
        _check_record_format(body)

        def perform() -> Body:
            leg = self._switch.dial(body)
            # The response to a dial command always has is_alive false: the call has not started yet.
            return leg.describe() | {"is_alive": False} | _recording_id(leg)

        return self._once("", body, perform)

    async def status(self, request: web.Request) -> web.Response:
        return data_response(self._switch.leg(request.match_info["call_control_id"], status_if_unknown=404).describe())

    async def command(self, request: web.Request) -> web.Response:
        name = request.match_info["command"]
        if name in schemas.UNOFFERED_COMMANDS:
            raise not_offered(f"actions/{name}")
        if name not in self._commands:
            raise ApiError(404, "10005", "Resource not found", "The requested command does not exist.")
        schema, carry_out = self._commands[name]
        call_control_id = request.match_info["call_control_id"]
        self._switch.leg(call_control_id)
        body = validate(await read_json(request), schema)

        def perform() -> Any:
            leg = self._switch.live_leg(call_control_id)
            if body.get("client_state") is not None:
                leg.client_state = body["client_state"]
            return OK | (carry_out(leg, body) or {})

        return self._once(call_control_id, body, perform)

    async def client_state_update(self, request: web.Request) -> web.Response:
        leg = self._switch.live_leg(request.match_info["call_control_id"])
        leg.client_state = validate(await read_json(request), schemas.CLIENT_STATE_UPDATE)["client_state"]
        return data_response(OK)

    def _once(self, scope: str, body: Body, perform: Callable[[], Any]) -> web.Response:
        """Carry out a command, unless its command_id was seen in this scope in the last minute."""
        now = asyncio.get_running_loop().time()
        self._answers = {key: entry for key, entry in self._answers.items() if entry[0] > now}
        command_id = body.get("command_id")
        if not command_id:
            return data_response(perform())
        if (scope, command_id) not in self._answers:
            self._answers[scope, command_id] = (now + REPEAT_SECONDS, perform())
        return data_response(self._answers[scope, command_id][1])

    # --- commands -----------------------------------------------------------------------------------------------------

    def answer(self, leg: Leg, body: Body) -> Body:
        _check_record_format(body)
        if leg.state == "ringing" and leg.direction == "incoming":
            leg.transcribe_on_answer = self._switch.transcription_on_answer(body)
            leg.record_on_answer = RecordParams.from_answer(body)
            leg.stream_on_answer = StreamParams.from_command(body, line_codec(leg.far_number))
            if body.get("webhook_url") or body.get("webhook_retries_policies"):
                leg.webhook_queue = self._switch.webhook_queue(body)
        leg.answer()
        return _recording_id(leg)

    def reject(self, leg: Leg, body: Body) -> None:
        leg.reject(body["cause"])

    def hangup(self, leg: Leg, body: Body) -> None:
        leg.hang_up()

    def streaming_start(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        params = StreamParams.from_command(body, line_codec(leg.far_number))
        if params is not None:
            leg.start_stream(params)

    def streaming_stop(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        if leg.stream is None or body.get("stream_id") not in {None, leg.stream.stream_id}:
            raise not_streaming()
        leg.stop_stream()

    def send_dtmf(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        seconds = (body.get("duration_millis") or DEFAULT_DTMF_MS) / 1000
        leg.context.tasks.start(leg.send_digits(body["digits"], seconds), "send dtmf")

    def transfer(self, leg: Leg, body: Body) -> None:
        _check_record_format(body)
        self._switch.transfer(leg, body)

    def bridge(self, leg: Leg, body: Body) -> None:
        other = self._switch.live_leg(body["call_control_id"])
        if other is leg:
            raise invalid("/call_control_id", "A call cannot be bridged with itself.")
        if body.get("prevent_double_bridge") and (leg.bridge or other.bridge):
            raise invalid("/prevent_double_bridge", "One of the calls is already bridged.")
        for each in (leg, other):
            if each.direction == "outgoing":
                each.require_answered()
        for each in (leg, other):
            if each.state == "ringing":
                each.answer()
        self._switch.bridge(leg, other, body)

    def speak(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        if len(body["payload"]) > MAX_SPEAK_CHARACTERS:
            raise speak_length()
        text = plain_text(body["payload"], body.get("payload_type") or "text")
        self._announce(leg, body, Announcement("speak", spoken(text, leg.context.tts)))

    def playback_start(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        if not body.get("audio_url") and not body.get("playback_content"):
            raise missing("/audio_url")
        about = {"overlay": False} | ({"media_url": body["audio_url"]} if body.get("audio_url") else {})
        self._announce(leg, body, Announcement("playback", played(body, leg.context.http), about=about))

    def _announce(self, leg: Leg, body: Body, announcement: Announcement) -> None:
        announcement.target_legs = body.get("target_legs") or "self"
        loop = body.get("loop") or 1
        announcement.plays = None if loop == "infinity" else loop
        leg.announcer.add(announcement, body.get("stop"))

    def playback_stop(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        leg.announcer.stop(body.get("stop") or "all")

    def transcription_start(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        leg.start_transcription(TranscriptionParams.from_command(body))

    def transcription_stop(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        leg.stop_transcription()

    def record_start(self, leg: Leg, body: Body) -> None:
        leg.require_answered()
        leg.recorder.start(RecordParams(body["channels"], body.get("max_length") or 0))

    def record_stop(self, leg: Leg, body: Body) -> None:
        _running(leg, body)
        leg.recorder.stop(body.get("recording_id"))

    def record_pause(self, leg: Leg, body: Body) -> None:
        for recording in _running(leg, body):
            recording.is_paused = True

    def record_resume(self, leg: Leg, body: Body) -> None:
        for recording in _running(leg, body):
            recording.is_paused = False


def _running(leg: Leg, body: Body) -> list[Recording]:
    leg.require_answered()
    recordings = leg.recorder.chosen(body.get("recording_id"))
    if not recordings:
        raise invalid("/recording_id", "This recording is not in progress.")
    return recordings


def _recording_id(leg: Leg) -> Body:
    """The field in the response to a command that starts a recording."""
    return {} if leg.record_on_answer is None else {"recording_id": leg.record_on_answer.recording_id}


def _check_record_format(body: Body) -> None:
    """Without `record_format`, Telnyx records mp3, which the exchange does not support."""
    if body.get("record") and not body.get("record_format"):
        raise not_offered("/record_format=mp3")
