"""Telnyx's webhooks: their signature and their content."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from telnyx.types.call_hangup import CallHangup

from phone_numbers.carriers.base import InvalidSignature, WebhookRequest
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.telnyx import TelnyxCarrier, signature, webhooks

# RFC 8032, section 7.1, test 1: the seed of a well-known key.
KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
NOW = 1_795_000_000
COMMON = {
    "call_control_id": "v3:2EC-70CTEjl",
    "call_leg_id": "b0e6224c-c81c-11f0-afbb-02420aef93a0",
    "call_session_id": "b0e6141e-c81c-11f0-abac-02420aef93a0",
    "connection_id": "1494404757140276705",
    "client_state": "NDY=",
    "from": "+15551234567",
    "to": "+14155551234",
}


def webhook(event_type: str, **payload: Any) -> bytes:
    data = {
        "record_type": "event",
        "event_type": event_type,
        "id": "b97d4d5e-6fe7-4432-911f-79637bf6ebb7",
        "occurred_at": "2026-11-22T03:30:00.076316Z",
        "payload": {**COMMON, **payload},
    }
    return json.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": "https://api.example.com/"}}).encode()


def headers_for(body: bytes, timestamp: str = str(NOW)) -> dict[str, str]:
    signed = KEY.sign(timestamp.encode() + b"|" + body)
    return {"Telnyx-Timestamp": timestamp, "Telnyx-Signature-Ed25519": base64.b64encode(signed).decode()}


# --- signature --------------------------------------------------------------------------------------------------------
def test_a_known_signature() -> None:
    """Ed25519 signatures are deterministic, so this one never changes."""
    signed = KEY.sign(b'1700000000|{"data":{}}')
    headers = {"telnyx-timestamp": "1700000000", "telnyx-signature-ed25519": base64.b64encode(signed).decode()}
    assert PUBLIC_KEY == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    signature.verify(public_key=PUBLIC_KEY, headers=headers, body=b'{"data":{}}', now=1_700_000_000)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_within_the_tolerance(age: int) -> None:
    body = "é".encode()
    signature.verify(public_key=PUBLIC_KEY, headers=headers_for(body), body=body, now=NOW + age)


@pytest.mark.parametrize("age", [-301, 301, 100_000])
def test_too_old_or_too_new(age: int) -> None:
    with pytest.raises(InvalidSignature):
        signature.verify(public_key=PUBLIC_KEY, headers=headers_for(b"{}"), body=b"{}", now=NOW + age)


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, b"{ }"),
        ({"Telnyx-Timestamp": str(NOW + 1)}, b"{}"),
        ({"Telnyx-Timestamp": ""}, b"{}"),
        ({"Telnyx-Timestamp": "soon"}, b"{}"),
        ({"Telnyx-Signature-Ed25519": ""}, b"{}"),
        ({"Telnyx-Signature-Ed25519": "***"}, b"{}"),
        ({"Telnyx-Signature-Ed25519": base64.b64encode(bytes(64)).decode()}, b"{}"),
        ({"Telnyx-Signature-Ed25519": base64.b64encode(bytes(10)).decode()}, b"{}"),
    ],
)
def test_any_other_signature_is_refused(changes: dict[str, str], body: bytes) -> None:
    with pytest.raises(InvalidSignature):
        signature.verify(public_key=PUBLIC_KEY, headers=headers_for(b"{}") | changes, body=body, now=NOW)


@pytest.mark.parametrize("public_key", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_without_a_valid_key_every_signature_is_refused(public_key: str) -> None:
    with pytest.raises(InvalidSignature):
        signature.verify(public_key=public_key, headers=headers_for(b"{}"), body=b"{}", now=NOW)


# --- events -----------------------------------------------------------------------------------------------------------
def test_initiated() -> None:
    body = webhook("call.initiated", client_state=None, direction="incoming", state="parked", calling_party_type="pstn")
    assert webhooks.parse(body) == CarrierEvent(
        type=CarrierEventType.INITIATED,
        event_id="b97d4d5e-6fe7-4432-911f-79637bf6ebb7",
        carrier_call_id="v3:2EC-70CTEjl",
        occurred_at=datetime(2026, 11, 22, 3, 30, 0, 76316, UTC),
        client_state="",
        direction="inbound",
        from_number="+15551234567",
        to_number="+14155551234",
    )


@pytest.mark.parametrize(
    ("event_type", "payload", "expected", "detail"),
    [
        ("call.answered", {"codec": "PCMU"}, CarrierEventType.ANSWERED, ""),
        ("call.dtmf.received", {"digit": "*"}, CarrierEventType.DTMF, "*"),
        (
            "streaming.failed",
            {"failure_reason": "connection_failed"},
            CarrierEventType.STREAM_FAILED,
            "connection_failed",
        ),
        ("call.machine.detection.ended", {"result": "machine"}, CarrierEventType.MACHINE_DETECTED, "machine"),
        ("call.machine.detection.ended", {"result": "not_sure"}, CarrierEventType.MACHINE_DETECTED, "human"),
        ("call.machine.premium.detection.ended", {"result": "silence"}, CarrierEventType.MACHINE_DETECTED, "human"),
        (
            "call.machine.premium.detection.ended",
            {"result": "fax_detected"},
            CarrierEventType.MACHINE_DETECTED,
            "machine",
        ),
        (
            "call.machine.premium.greeting.ended",
            {"result": "beep_detected"},
            CarrierEventType.MACHINE_GREETING_ENDED,
            "beep_detected",
        ),
        (
            "call.machine.premium.call_screening.detected",
            {"result": "screening"},
            CarrierEventType.SCREENING_DETECTED,
            "",
        ),
        ("call.speak.started", {}, CarrierEventType.SPEAK_STARTED, ""),
        ("call.speak.ended", {"status": "completed"}, CarrierEventType.SPEAK_ENDED, "completed"),
        (
            "call.transcription",
            {"transcription_data": {"transcript": "for two ", "is_final": True, "confidence": 0.97}},
            CarrierEventType.TRANSCRIPTION,
            "for two",
        ),
        (
            "call.transcription",
            {"transcription_data": {"transcript": "for", "is_final": False}},
            CarrierEventType.CALLER_SPEAKS,
            "",
        ),
        (
            "call.recording.saved",
            {"recording_urls": {"wav": "https://s3.example.com/leg.wav?X-Amz-Expires=600"}, "channels": "dual"},
            CarrierEventType.RECORDING_SAVED,
            "https://s3.example.com/leg.wav?X-Amz-Expires=600",
        ),
        (
            "call.recording.error",
            {"reason": "Internal server error"},
            CarrierEventType.RECORDING_FAILED,
            "Internal server error",
        ),
    ],
)
def test_event_types(event_type: str, payload: dict[str, Any], expected: CarrierEventType, detail: str) -> None:
    event = webhooks.parse(webhook(event_type, **payload))
    assert event is not None
    assert (event.type, event.client_state, event.direction, event.cause, event.detail) == (
        expected, "46", "", "", detail,
    )  # fmt: skip


def test_a_recording_is_matched_by_client_state_without_the_carrier_s_call_id() -> None:
    """In the published schema, this event has no `call_control_id`."""
    body = json.loads(webhook("call.recording.saved", recording_urls={"wav": "https://s3.example.com/leg.wav"}))
    del body["data"]["payload"]["call_control_id"]
    event = webhooks.parse(json.dumps(body).encode())
    assert event is not None
    assert (event.carrier_call_id, event.client_state) == ("", "46")


@pytest.mark.parametrize(
    "event_type",
    ["streaming.started", "streaming.stopped", "call.bridged", "call.playback.started", "call.cost", "brand.new"],
)
def test_ignored_event_types(event_type: str) -> None:
    assert webhooks.parse(webhook(event_type)) is None


@pytest.mark.parametrize(
    ("cause", "sip", "expected"),
    [
        ("normal_clearing", "200", "normal_clearing"),
        ("user_busy", "486", "busy"),
        ("timeout", "unspecified", "no_answer"),
        ("no_answer", None, "no_answer"),
        ("originator_cancel", "487", "no_answer"),
        ("call_rejected", "603", "rejected"),
        ("not_found", "404", "invalid_number"),
        ("time_limit", "200", "max_duration"),
        ("machine_detected", "200", "voicemail"),
        ("unspecified", "486", "busy"),
        ("unspecified", "unspecified", "carrier_failed"),
        ("something_new", "503", "carrier_failed"),
        (None, None, "carrier_failed"),
    ],
)
def test_hangup_causes(cause: str | None, sip: str | None, expected: str) -> None:
    event = webhooks.parse(webhook("call.hangup", hangup_cause=cause, sip_hangup_cause=sip, hangup_source="caller"))
    assert event is not None
    assert (event.type, event.cause) == (CarrierEventType.ENDED, expected)


def test_every_published_cause_is_mapped() -> None:
    """The SDK lists the causes that Telnyx publishes. Only for "unspecified" do we use the SIP status."""
    field = CallHangup.model_fields["payload"].annotation
    published = str(getattr(field, "__args__", [None])[0].model_fields["hangup_cause"].annotation)
    names = {part.strip(" '\"") for part in published.partition("Literal[")[2].partition("]")[0].split(",")}
    assert "normal_clearing" in names
    assert names - set(webhooks.HANGUP_CAUSES) == {"unspecified"}


@pytest.mark.parametrize("state", [None, "", "%%%", base64.b64encode(b"\xff\xfe").decode(), 46])
def test_an_invalid_client_state_is_ignored(state: object) -> None:
    event = webhooks.parse(webhook("call.answered", client_state=state))
    assert event is not None
    assert event.client_state == ""


def test_client_state_round_trips() -> None:
    assert webhooks.decode_client_state(webhooks.encode_client_state("4711")) == "4711"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"data":1}',
        b'{"data":{"event_type":["call.answered"]}}',
        b'{"data":{"event_type":"call.answered"}}',
        b'{"data":{"event_type":"call.answered","id":"1","occurred_at":"yesterday","payload":{"call_control_id":"x"}}}',
        b'{"data":{"event_type":"call.answered","id":"1","occurred_at":"2026-11-22T03:30:00","payload":{"call_control_id":"x"}}}',
        b'{"data":{"event_type":"call.initiated","id":"1","occurred_at":"2026-11-22T03:30:00Z","payload":{"call_control_id":"x"}}}',
    ],
)
def test_invalid_bodies_raise_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        webhooks.parse(body)


def test_the_signature_is_checked_before_the_body() -> None:
    carrier = TelnyxCarrier(api_key="k", public_key=PUBLIC_KEY, base_url="http://127.0.0.1:1", connection_id="c")
    with pytest.raises(InvalidSignature):
        carrier.parse_webhook(WebhookRequest("POST", "https://a.example.com", {}, webhook("call.answered")))


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        ("2026-11-22T03:30:01.000000Z", datetime(2026, 11, 22, 3, 30, 1, tzinfo=UTC)),
        ("2026-11-22T05:30:01+02:00", datetime(2026, 11, 22, 3, 30, 1, tzinfo=UTC)),
        ("2026-11-22T03:30:01", None),
        ("soon", None),
        (None, None),
        (17, None),
    ],
)
def test_an_invalid_recording_start_is_ignored(began: Any, expected: datetime | None) -> None:
    urls = {"wav": "https://s3.example.com/leg.wav"}
    event = webhooks.parse(webhook("call.recording.saved", recording_urls=urls, recording_started_at=began))
    assert event is not None
    assert (event.began_at, event.detail) == (expected, urls["wav"])
