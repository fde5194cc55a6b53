"""Calls: https://developers.telnyx.com/api-reference/call-commands/dial"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bubblyphone.core.audio import AudioFormat
from phone_numbers.carriers.base import CarrierError, DialRequest, StreamSettings
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.telnyx import webhooks
from phone_numbers.carriers.telnyx.account import TelnyxAccount
from phone_numbers.carriers.telnyx.client import TelnyxError

CODECS = {"pcmu": "PCMU", "pcma": "PCMA", "pcm16": "L16"}
# Telnyx's limits for ringing time and call duration, in seconds.
RING_LIMITS = (5, 600)
LENGTH_LIMITS = (30, 14400)
# How long Telnyx waits for the end of a machine's greeting; its default is only 30 s.
MACHINE_ANALYSIS_MS = 60_000


class TelnyxCalls(CallControl):
    """CallControl for an account."""

    account: TelnyxAccount
    detects_voicemail = True
    detects_screening = True

    def dial(self, request: DialRequest) -> str:
        body: dict[str, Any] = _dial_fields(request) | {
            "connection_id": self.account.connection_id,
            "client_state": webhooks.encode_client_state(request.client_state),
            "command_id": request.command_id,
        }
        if (stream := request.stream) is not None:
            body |= _stream_fields(stream) | _sampling_rate(stream.audio_format) | {"send_silence_when_idle": True}
        if request.detect_voicemail:
            body["answering_machine_detection"] = "premium_ios_call_screening_detection"
            body["answering_machine_detection_config"] = {"total_analysis_time_millis": MACHINE_ANALYSIS_MS}
        call = self.account.client.post("calls", body)
        if not isinstance(call, dict) or not call.get("call_control_id"):
            raise CarrierError("The carrier's response has no call ID.", reason="outcome_unknown")
        return str(call["call_control_id"])

    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None:
        """Answer and stream in one command. Audio at another rate than 8 kHz needs `start_stream` after the answer.

        Raises ValueError for such a stream, because Telnyx does not accept its rate here.
        """
        body: dict[str, Any] = {"client_state": webhooks.encode_client_state(client_state)}
        if stream is not None:
            if stream.audio_format.sample_rate != 8000:
                raise ValueError("Only 8 kHz audio can be requested when answering. Use start_stream afterwards.")
            body |= _stream_fields(stream) | {"send_silence_when_idle": True}
        self.account.command(carrier_call_id, "answer", command_id, body)

    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        self._end(carrier_call_id, "reject", command_id, {"cause": "USER_BUSY"})

    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        self._end(carrier_call_id, "hangup", command_id, {})

    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None:
        body = _stream_fields(stream) | _sampling_rate(stream.audio_format)
        self.account.command(carrier_call_id, "streaming_start", command_id, body)

    def transfer(self, request: DialRequest, *, carrier_call_id: str) -> None:
        body = _dial_fields(request) | {"target_leg_client_state": webhooks.encode_client_state(request.client_state)}
        self.account.command(carrier_call_id, "transfer", request.command_id, body)

    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        self.account.command(carrier_call_id, "bridge", command_id, {"call_control_id": other_carrier_call_id})

    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None:
        self.account.command(carrier_call_id, "send_dtmf", command_id, {"digits": digits})

    def is_alive(self, *, carrier_call_id: str) -> bool:
        try:
            call = self.account.client.get(f"calls/{quote(carrier_call_id, safe='')}")
        except TelnyxError as error:
            # Telnyx forgets a call ten minutes after its end.
            if error.status == 404 or error.reason == "call_ended":
                return False
            raise
        return bool(call["is_alive"])

    def _end(self, carrier_call_id: str, name: str, command_id: str, body: Mapping[str, Any]) -> None:
        try:
            self.account.command(carrier_call_id, name, command_id, body)
        except CarrierError as error:
            if error.reason != "call_ended":
                raise


def _dial_fields(request: DialRequest) -> dict[str, Any]:
    return {
        "from": request.from_number,
        "to": request.to_number,
        "timeout_secs": _within(request.timeout_seconds, RING_LIMITS),
        "time_limit_secs": _within(request.time_limit_seconds, LENGTH_LIMITS),
    }


def _stream_fields(stream: StreamSettings) -> dict[str, Any]:
    """The same codec in both directions. Without the last three fields, Telnyx would expect MP3 files and play no audio."""
    codec = CODECS[stream.audio_format.encoding]
    return {
        "stream_url": stream.url,
        "stream_track": "inbound_track",
        "stream_codec": codec,
        "stream_bidirectional_codec": codec,
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_target_legs": "self",
    }


def _sampling_rate(audio_format: AudioFormat) -> dict[str, int]:
    return {"stream_bidirectional_sampling_rate": audio_format.sample_rate}


def _within(value: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], value))
