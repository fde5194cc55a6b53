"""Telnyx's media frames, with the examples from its documentation, and marks of both carriers."""

import json

import pytest

from bubblyphone.core.audio import PCM16_16K, PCMA_8K, PCMU_8K, AudioFormat
from phone_numbers.carriers.media_protocol import (
    DtmfPressed,
    MarkReached,
    MediaProtocol,
    StreamError,
    StreamStarted,
    StreamStopped,
)
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from phone_numbers.carriers.twilio.media_protocol import TwilioMediaProtocol

PROTOCOL = TelnyxMediaProtocol(StreamStarted("v3:x", PCMU_8K))
MEDIA = {
    "event": "media",
    "sequence_number": "4",
    "stream_id": "32de0dea-53cb-4b21-89a4-9e1819c043bc",
    "media": {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": "/3//f/8="},
}
SEPARATORS = [(",", ":"), (", ", ": "), (" , ", " : ")]


@pytest.mark.parametrize("separators", SEPARATORS)
def test_caller_audio_is_the_payload_itself(separators: tuple[str, str]) -> None:
    assert PROTOCOL.decode(json.dumps(MEDIA, separators=separators)) == "/3//f/8="


@pytest.mark.parametrize("separators", SEPARATORS)
def test_key_order_does_not_matter(separators: tuple[str, str]) -> None:
    frame = {"media": {"payload": "QUJD", "track": "inbound"}, "event": "media"}
    assert PROTOCOL.decode(json.dumps(frame, separators=separators)) == "QUJD"


def test_escaped_slashes() -> None:
    assert PROTOCOL.decode(json.dumps(MEDIA).replace("/", "\\/")) == "/3//f/8="


@pytest.mark.parametrize("separators", SEPARATORS)
def test_the_outbound_track_is_ignored(separators: tuple[str, str]) -> None:
    frame = {**MEDIA, "media": {**MEDIA["media"], "track": "outbound"}}  # type: ignore[dict-item]
    assert PROTOCOL.decode(json.dumps(frame, separators=separators)) is None


@pytest.mark.parametrize("separators", SEPARATORS)
def test_audio_inside_a_string_is_not_decoded(separators: tuple[str, str]) -> None:
    name = '"event":"media","media":{"track":"inbound","payload":"QUJD"}'
    frame = {"event": "mark", "stream_id": "1", "mark": {"name": name}}
    assert PROTOCOL.decode(json.dumps(frame, separators=separators)) == MarkReached(name)


@pytest.mark.parametrize("separators", SEPARATORS[:2])
@pytest.mark.parametrize("protocol", [PROTOCOL, TwilioMediaProtocol(StreamStarted("CA1", PCMU_8K), "MZ1")])
def test_a_mark_with_a_plain_name_is_not_parsed(protocol: MediaProtocol, separators: tuple[str, str]) -> None:
    def frame(event: str, name: str) -> str:
        return json.dumps({"sequence_number": "4", "mark": {"name": name}, "event": event}, separators=separators)

    assert protocol.mark_in(frame("mark", "m12")) == MarkReached("m12")
    assert protocol.mark_in(frame("mark", 'm"12')) is None
    assert protocol.decode(frame("mark", 'm"12')) == MarkReached('m"12')
    assert protocol.mark_in(frame("dtmf", "m12")) is None
    assert protocol.mark_in(json.dumps(MEDIA, separators=separators)) is None


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [
        ("PCMU", 8000, PCMU_8K),
        ("PCMA", 8000, PCMA_8K),
        ("L16", 16000, PCM16_16K),
        ("L16", 8000, AudioFormat("pcm16", 8000)),
    ],
)
def test_the_start_frame_sets_the_format(encoding: str, rate: int, expected: AudioFormat) -> None:
    frame = {
        "event": "start",
        "sequence_number": "1",
        "stream_id": "32de0dea",
        "start": {
            "call_control_id": "v3:2EC-70CTEjl",
            "client_state": "eyJjYWxsX2lkIjogNDZ9",
            "media_format": {"encoding": encoding, "sample_rate": rate, "channels": 1},
        },
    }
    assert PROTOCOL.decode(json.dumps(frame)) == StreamStarted("v3:2EC-70CTEjl", expected)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"event": "connected", "version": "1.0.0"}, None),
        ({"event": "dtmf", "stream_id": "1", "dtmf": {"digit": "#"}}, DtmfPressed("#")),
        ({"event": "mark", "stream_id": "1", "mark": {"name": "item_1:1480"}}, MarkReached("item_1:1480")),
        ({"event": "stop", "stream_id": "1", "stop": {"call_control_id": "v3:x"}}, StreamStopped()),
        (
            {"event": "error", "payload": {"code": 100003, "title": "malformed_frame", "detail": "x"}},
            StreamError("100003 malformed_frame"),
        ),
        ({"event": "brand.new", "x": 1}, None),
    ],
)
def test_control_frames(frame: dict[str, object], expected: object) -> None:
    assert PROTOCOL.decode(json.dumps(frame)) == expected


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "hello",
        '{"event":"media"}',
        '{"event":"start","start":{}}',
        '{"event":"media","media":{"track":"inbound","payload":"QUJD',
        '{"event":"start","start":{"call_control_id":"x","media_format":{"encoding":"OPUS","sample_rate":48000}}}',
        '{"event":"start","start":{"call_control_id":"x","media_format":{"encoding":"PCMU","sample_rate":"fast"}}}',
    ],
)
def test_invalid_frames_raise_value_error(frame: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PROTOCOL.decode(frame)


def test_sent_frames_have_the_documented_form() -> None:
    assert json.loads(PROTOCOL.encode_audio("/3//f/8=")) == {"event": "media", "media": {"payload": "/3//f/8="}}
    assert json.loads(PROTOCOL.encode_mark('a "b" é')) == {"event": "mark", "mark": {"name": 'a "b" é'}}
    assert json.loads(PROTOCOL.encode_clear()) == {"event": "clear"}
