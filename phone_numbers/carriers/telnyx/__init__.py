"""Telnyx as the carrier: Call Control (voice API v2), number orders and media streaming.

`client` speaks REST, `webhook_parser` reads webhooks, `signature` checks them, `media_codec` is the audio socket's codec,
`speech` chooses voices, and `regulation` submits documents. The built-in exchange speaks the same protocol: this is its adapter too.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import phonenumbers
from django.conf import settings
from phonenumbers import PhoneNumberType

from bubblyphone.core.audio import AudioFormat
from phone_numbers.carriers.base import (
    AvailableNumber,
    CallState,
    Carrier,
    CarrierError,
    CarrierRequirement,
    NumberOrder,
    RequirementAnswer,
    StreamSettings,
    WebhookRequest,
)
from phone_numbers.carriers.capabilities import (
    CallControl,
    Compliance,
    NumberInventory,
    OwnAccounts,
    Recording,
    Speech,
)
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.telnyx import regulation, signature, speech, webhook_parser
from phone_numbers.carriers.telnyx.client import TelnyxClient, TelnyxError
from phone_numbers.carriers.telnyx.media_codec import TelnyxMediaCodec

CODECS = {"pcmu": "PCMU", "pcma": "PCMA", "pcm16": "L16"}
# Telnyx's limits for a call's longest ring and length, in seconds.
RING_LIMITS = (5, 600)
LENGTH_LIMITS = (30, 14400)
# Telnyx watches for the end of a machine's greeting for this long; by default only for 30 s.
MACHINE_ANALYSIS_MS = 60_000
# Orders are "pending" until they are one of these.
ORDER_OUTCOMES = {"success": "success", "failure": "failure", "cancelled": "failure", "deleted": "failure"}
TYPES_OF_NUMBERS = {
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.UAN: "national",
    PhoneNumberType.VOIP: "national",
}


class TelnyxCarrier(Carrier, CallControl, Speech, Recording, NumberInventory, Compliance, OwnAccounts):
    """One account and one Call Control application (`connection_id`), whose webhook API version must be 2."""

    media_codec = TelnyxMediaCodec
    max_speech_characters = 3000
    detects_voicemail = True
    detects_screening = True
    required_credentials = ("api_key",)
    optional_credentials = ("public_key", "connection_id")

    def __init__(
        self, *, api_key: str, public_key: str, base_url: str, connection_id: str, webhook_path: str = "telnyx"
    ) -> None:
        self._client = TelnyxClient(api_key, base_url)
        self._public_key = public_key
        self._connection_id = connection_id
        self._base_url = base_url
        self._webhook_url = f"{settings.PUBLIC_URL}/webhooks/{webhook_path}"

    # --- developers' own accounts -------------------------------------------------------------------------------------

    def complete_credentials(self) -> Mapping[str, str]:
        """The account's Call Control applications are read; without a `connection_id` it must have exactly one."""
        try:
            applications = _rows(self._client.get("call_control_applications", {"page[size]": 250}))
        except TelnyxError as error:
            reason = "unauthorized" if error.status in {401, 403} else error.reason
            raise CarrierError(str(error), retryable=error.retryable, reason=reason) from error
        ids = [str(row["id"]) for row in applications if row.get("id")]
        if self._connection_id and self._connection_id not in ids:
            text = f"The account has no Call Control application {self._connection_id}."
            raise CarrierError(text, reason="incomplete")
        if not self._connection_id and len(ids) != 1:
            text = f"The account has {len(ids)} Call Control applications. Send the `connection_id` of one."
            raise CarrierError(text, reason="incomplete")
        return {"connection_id": self._connection_id or ids[0]}

    # --- numbers ------------------------------------------------------------------------------------------------------

    def search_numbers(
        self,
        *,
        country: str,
        number_type: str = "",
        area_code: str = "",
        locality: str = "",
        contains: str = "",
        limit: int = 50,
    ) -> list[AvailableNumber]:
        wanted: dict[str, str | int] = {
            "filter[country_code]": country,
            "filter[phone_number_type]": number_type,
            "filter[national_destination_code]": area_code,
            "filter[locality]": locality,
            "filter[phone_number][contains]": contains,
            "filter[limit]": limit,
        }
        rows = self._client.get("available_phone_numbers", {name: value for name, value in wanted.items() if value})
        return [_available_number(row, number_type) for row in _rows(rows)]

    def order_number(self, *, e164: str, reference: str, requirement_group_id: str = "") -> NumberOrder:
        number = {"phone_number": e164}
        if requirement_group_id:
            number["requirement_group_id"] = requirement_group_id
        body = {
            "phone_numbers": [number],
            "connection_id": self._connection_id,
            "customer_reference": reference,
        }
        return _order(self._client.post("number_orders", body))

    def find_order(self, *, reference: str) -> NumberOrder | None:
        rows = _rows(self._client.get("number_orders", {"filter[customer_reference]": reference}))
        return _order(rows[0]) if rows else None

    def find_owned_number(self, *, e164: str) -> str | None:
        rows = _rows(self._client.get("phone_numbers", {"filter[phone_number]": e164}))
        return next((str(row["id"]) for row in rows if row.get("phone_number") == e164 and row.get("id")), None)

    def release_number(self, *, carrier_ref: str) -> None:
        try:
            self._client.delete(f"phone_numbers/{quote(carrier_ref, safe='')}")
        except TelnyxError as error:
            if error.status != 404:
                raise

    def routing_of(self, *, carrier_ref: str) -> str:
        """The id of the Call Control application; empty for a number without one."""
        return str(self._client.get(_number_path(carrier_ref)).get("connection_id") or "")

    def route_here(self, *, carrier_ref: str) -> None:
        if not self._public_key:
            text = "Calls could not be verified without the account's public_key. Add it to the account."
            raise CarrierError(text, reason="incomplete")
        self._client.patch(_number_path(carrier_ref), {"connection_id": self._connection_id})

    def restore_routing(self, *, carrier_ref: str, routing: str) -> None:
        try:
            self._client.patch(_number_path(carrier_ref), {"connection_id": routing})
        except TelnyxError as error:
            if error.status != 404:
                raise

    def requirements(self, *, country: str, number_type: str) -> list[CarrierRequirement]:
        query = {
            "filter[country_code]": country,
            "filter[phone_number_type]": number_type,
            "filter[action]": "ordering",
        }
        rows = _rows(self._client.get("requirements", query))
        return [_requirement(kind) for row in rows for kind in row.get("requirement_types") or []]

    def submit_requirements(
        self, *, country: str, number_type: str, reference: str, answers: Sequence[RequirementAnswer]
    ) -> str:
        return regulation.submit(
            self._client, country=country, number_type=number_type, reference=reference, answers=answers
        )

    # --- calls --------------------------------------------------------------------------------------------------------

    def dial(
        self,
        *,
        from_number: str,
        to_number: str,
        client_state: str,
        command_id: str,
        stream: StreamSettings | None,
        timeout_seconds: int,
        time_limit_seconds: int,
        detect_voicemail: bool = False,
    ) -> str:
        body: dict[str, Any] = {
            "connection_id": self._connection_id,
            "from": from_number,
            "to": to_number,
            "client_state": webhook_parser.encode_client_state(client_state),
            "command_id": command_id,
            "timeout_secs": _within(timeout_seconds, RING_LIMITS),
            "time_limit_secs": _within(time_limit_seconds, LENGTH_LIMITS),
        }
        if stream is not None:
            body |= _stream_fields(stream) | _sampling_rate(stream.audio_format) | {"send_silence_when_idle": True}
        if detect_voicemail:
            body["answering_machine_detection"] = "premium_ios_call_screening_detection"
            body["answering_machine_detection_config"] = {"total_analysis_time_millis": MACHINE_ANALYSIS_MS}
        call = self._client.post("calls", body)
        if not isinstance(call, dict) or not call.get("call_control_id"):
            raise CarrierError("The carrier's response has no call ID.", reason="outcome_unknown")
        return str(call["call_control_id"])

    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None:
        """Answer and stream in one command. Audio at another rate than 8 kHz needs `start_stream` after the answer.

        Raises ValueError for such a stream, whose rate Telnyx does not take here.
        """
        body: dict[str, Any] = {"client_state": webhook_parser.encode_client_state(client_state)}
        if stream is not None:
            if stream.audio_format.sample_rate != 8000:
                raise ValueError("Only 8 kHz audio can be requested when answering. Use start_stream afterwards.")
            body |= _stream_fields(stream) | {"send_silence_when_idle": True}
        self._command(carrier_call_id, "answer", command_id, body)

    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        self._end(carrier_call_id, "reject", command_id, {"cause": "USER_BUSY"})

    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        self._end(carrier_call_id, "hangup", command_id, {})

    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None:
        body = _stream_fields(stream) | _sampling_rate(stream.audio_format)
        self._command(carrier_call_id, "streaming_start", command_id, body)

    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        body = {"payload": text, "payload_type": "text", **speech.voice_fields(voice, language)}
        self._command(carrier_call_id, "speak", command_id, body)

    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        self._command(carrier_call_id, "playback_stop", command_id, {"stop": "all"})

    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        try:
            body = speech.transcription_fields(language, interim=interim)
            self._command(carrier_call_id, "transcription_start", command_id, body)
        except CarrierError as error:
            if error.reason != "already_transcribing":
                raise

    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        self._command(carrier_call_id, "transcription_stop", command_id, {})

    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        state = webhook_parser.encode_client_state(client_state)
        body = {"channels": "dual", "format": "wav", "client_state": state}
        self._command(carrier_call_id, "record_start", command_id, body)

    def download_headers(self, url: str) -> Mapping[str, str] | None:
        """The exchange's own addresses need no credentials; Telnyx's are signed addresses of a storage, on another host."""
        return {} if urlsplit(url)[:2] == urlsplit(self._base_url)[:2] else None

    def transfer(
        self,
        *,
        carrier_call_id: str,
        command_id: str,
        from_number: str,
        to_number: str,
        leg_state: str,
        timeout_seconds: int,
        time_limit_seconds: int,
    ) -> None:
        body = {
            "to": to_number,
            "from": from_number,
            "timeout_secs": _within(timeout_seconds, RING_LIMITS),
            "time_limit_secs": _within(time_limit_seconds, LENGTH_LIMITS),
            "target_leg_client_state": webhook_parser.encode_client_state(leg_state),
        }
        self._command(carrier_call_id, "transfer", command_id, body)

    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        self._command(carrier_call_id, "bridge", command_id, {"call_control_id": other_carrier_call_id})

    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None:
        self._command(carrier_call_id, "send_dtmf", command_id, {"digits": digits})

    def call_state(self, *, carrier_call_id: str) -> CallState:
        try:
            call = self._client.get(f"calls/{quote(carrier_call_id, safe='')}")
        except TelnyxError as error:
            # Telnyx forgets a call ten minutes after its end.
            if error.status == 404 or error.reason == "call_ended":
                return CallState(is_alive=False)
            raise
        return CallState(is_alive=bool(call["is_alive"]))

    def _command(self, carrier_call_id: str, name: str, command_id: str, body: Mapping[str, Any]) -> None:
        path = f"calls/{quote(carrier_call_id, safe='')}/actions/{name}"
        self._client.post(path, {**body, "command_id": command_id})

    def _end(self, carrier_call_id: str, name: str, command_id: str, body: Mapping[str, Any]) -> None:
        try:
            self._command(carrier_call_id, name, command_id, body)
        except CarrierError as error:
            if error.reason != "call_ended":
                raise

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        signature.verify(public_key=self._public_key, headers=request.headers, body=request.body)
        event = webhook_parser.parse(request.body)
        return () if event is None else (event,)


def _stream_fields(stream: StreamSettings) -> dict[str, Any]:
    """The same codec both ways; without the last three Telnyx would expect MP3 files and play them to nobody."""
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


def _number_path(carrier_ref: str) -> str:
    return f"phone_numbers/{quote(carrier_ref, safe='')}"


def _within(value: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], value))


def _rows(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise CarrierError("The carrier's response is not a list.", reason="outcome_unknown")
    return data


def _requirement(row: Mapping[str, Any]) -> CarrierRequirement:
    criteria = row.get("acceptance_criteria") or {}
    return CarrierRequirement(
        requirement_id=str(row["id"]),
        name=str(row.get("name") or ""),
        kind=str(row.get("type") or "document"),
        description=str(row.get("description") or ""),
        example=str(row.get("example") or ""),
        time_limit=str(criteria.get("time_limit") or ""),
    )


def _order(data: Any) -> NumberOrder:
    if not isinstance(data, dict) or not data.get("id"):
        raise CarrierError("The carrier's response is not an order.", reason="outcome_unknown")
    return NumberOrder(str(data["id"]), ORDER_OUTCOMES.get(str(data.get("status")), "pending"))


def _available_number(row: Mapping[str, Any], asked_type: str) -> AvailableNumber:
    number = str(row.get("phone_number", ""))
    cost = row.get("cost_information") or {}
    return AvailableNumber(
        phone_number=number,
        # Telnyx does not say it; what was asked for, or what the number looks like.
        phone_number_type=str(row.get("phone_number_type") or asked_type or _looks_like(number)),
        features=[{"name": str(feature["name"])} for feature in row.get("features") or []],
        cost_information={
            "upfront_cost": str(cost.get("upfront_cost", "")),
            "monthly_cost": str(cost.get("monthly_cost", "")),
            "currency": str(cost.get("currency", "USD")),
        },
        region_information=[
            {"region_type": str(region["region_type"]), "region_name": str(region["region_name"])}
            for region in row.get("region_information") or []
        ],
    )


def _looks_like(number: str) -> str:
    try:
        return TYPES_OF_NUMBERS.get(phonenumbers.number_type(phonenumbers.parse(number)), "local")
    except phonenumbers.NumberParseException:
        return "local"
