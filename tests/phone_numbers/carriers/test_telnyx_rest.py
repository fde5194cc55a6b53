"""Our requests to Telnyx, validated against its published schema and its SDK's types, and how we interpret its responses."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter
from telnyx.types.call_dial_params import CallDialParams
from telnyx.types.calls import action_answer_params, action_start_streaming_params
from telnyx.types.number_order_create_params import NumberOrderCreateParams

from bubblyphone.core.audio import PCM16_16K, PCMA_8K, PCMU_8K, AudioFormat
from phone_numbers.carriers.base import CarrierError, DialRequest, NumberSearch, StreamSettings
from phone_numbers.carriers.telnyx import TelnyxCarrier
from phone_numbers.carriers.telnyx.client import TelnyxError
from tests.fakes.recording_server import Answer, ReceivedRequest, RecordingServer
from tests.sandbox.exchange.specification import Specification

CALL_ID = "v3:a/b="
ACTION = "/calls/{call_control_id}/actions/"
STREAM_URL = "wss://api.example.com/media/TOKEN"


def stream(audio_format: AudioFormat = PCMU_8K) -> StreamSettings:
    return StreamSettings(STREAM_URL, audio_format)


def carrier_at(url: str) -> TelnyxCarrier:
    return TelnyxCarrier(api_key="KEY1", public_key="", base_url=url, connection_id="1494404757140276705")


def ask(work: Callable[[TelnyxCarrier], Any], *answers: Answer, base: str = "") -> tuple[Any, list[ReceivedRequest]]:
    """Call `work` with a carrier at a server with these responses. Returns the result or CarrierError, and the requests."""
    with RecordingServer(list(answers)) as server:
        try:
            return work(carrier_at(server.url + base)), server.requests
        except CarrierError as error:
            return error, server.requests


def answer(data: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps({"data": data}).encode())


def refusal(status: int, code: str = "10015", **headers: str) -> Answer:
    body = {"errors": [{"code": code, "title": "No", "detail": "Not like this."}]}
    return Answer(status, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def dial(carrier: TelnyxCarrier, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "from_number": "+14155940554",
        "to_number": "+12025551234",
        "client_state": "46",
        "command_id": "4f0a2a0e-6d0f-4c0e-9d1b-0d3b6a1c9a11",
        "stream": stream(),
        "timeout_seconds": 30,
        "time_limit_seconds": 3660,
    }
    return carrier.dial(DialRequest(**{**arguments, **changes}))


def hang_up(carrier: TelnyxCarrier) -> None:
    carrier.hang_up(carrier_call_id=CALL_ID, command_id="h-46")


def order(carrier: TelnyxCarrier) -> Any:
    return carrier.order_number(e164="+14155550100", reference="r-81")


def speak(carrier: TelnyxCarrier, voice: str = "", language: str = "") -> None:
    carrier.speak(carrier_call_id=CALL_ID, command_id="s", text="Hello!", voice=voice, language=language)


def transfer(carrier: TelnyxCarrier) -> None:
    request = DialRequest(
        from_number="+14155940554",
        to_number="+12025559999",
        client_state="46:transfer:7",
        command_id="t",
        timeout_seconds=30,
        time_limit_seconds=3660,
    )
    carrier.transfer(request, carrier_call_id=CALL_ID)


DIALED = answer({"call_control_id": CALL_ID, "is_alive": False})
ORDERED = answer({"id": "o1", "status": "pending"})
Work = Callable[[TelnyxCarrier], Any]
COMMANDS: list[tuple[str, Work]] = [
    ("/calls", dial),
    ("/calls", lambda carrier: dial(carrier, stream=None, detect_voicemail=True)),
    ("/calls", lambda carrier: dial(carrier, stream=stream(PCM16_16K))),
    (
        ACTION + "answer",
        lambda carrier: carrier.answer(carrier_call_id=CALL_ID, client_state="46", command_id="a", stream=stream()),
    ),
    (
        ACTION + "answer",
        lambda carrier: carrier.answer(
            carrier_call_id=CALL_ID, client_state="46", command_id="a", stream=stream(PCMA_8K)
        ),
    ),
    (ACTION + "reject", lambda carrier: carrier.reject(carrier_call_id=CALL_ID, command_id="r")),
    (ACTION + "hangup", hang_up),
    (
        ACTION + "streaming_start",
        lambda carrier: carrier.start_stream(carrier_call_id=CALL_ID, command_id="s", stream=stream(PCM16_16K)),
    ),
    (
        ACTION + "send_dtmf",
        lambda carrier: carrier.send_dtmf(carrier_call_id=CALL_ID, command_id="d", digits="1ww2#"),
    ),
    (ACTION + "speak", lambda carrier: speak(carrier)),
    (ACTION + "playback_stop", lambda carrier: carrier.stop_speaking(carrier_call_id=CALL_ID, command_id="q")),
    (
        ACTION + "transcription_start",
        lambda carrier: carrier.start_transcription(
            carrier_call_id=CALL_ID, command_id="l", language="en-US", interim=True
        ),
    ),
    (
        ACTION + "transcription_stop",
        lambda carrier: carrier.stop_transcription(carrier_call_id=CALL_ID, command_id="e"),
    ),
    (
        ACTION + "record_start",
        lambda carrier: carrier.start_recording(carrier_call_id=CALL_ID, client_state="46", command_id="w"),
    ),
    (ACTION + "transfer", lambda carrier: transfer(carrier)),
    (
        ACTION + "bridge",
        lambda carrier: carrier.bridge(carrier_call_id=CALL_ID, other_carrier_call_id="v3:other", command_id="b"),
    ),
    ("/number_orders", order),
]


# --- requests ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "work"), COMMANDS)
def test_bodies_match_the_published_schema(path: str, work: Work) -> None:
    _, requests = ask(work, ORDERED if path == "/number_orders" else DIALED)
    Specification().check_body(requests[0].json, "post", path)


@pytest.mark.parametrize(
    ("work", "params"),
    [
        (dial, CallDialParams),
        (COMMANDS[3][1], action_answer_params.ActionAnswerParams),
        (COMMANDS[7][1], action_start_streaming_params.ActionStartStreamingParams),
        (order, NumberOrderCreateParams),
    ],
)
def test_bodies_match_the_sdk_s_types(work: Work, params: Any) -> None:
    _, requests = ask(work, answer({"call_control_id": CALL_ID, "id": "o1", "status": "pending"}))
    body = {"from_" if name == "from" else name: value for name, value in requests[0].json.items()}
    assert set(TypeAdapter(params).validate_python(body)) == set(body)


def test_dial_sends_everything_that_a_conversation_needs() -> None:
    call_id, requests = ask(dial, DIALED)
    assert call_id == CALL_ID
    assert (requests[0].method, requests[0].path) == ("POST", "/calls")
    assert requests[0].headers["Authorization"] == "Bearer KEY1"
    assert requests[0].json == {
        "connection_id": "1494404757140276705",
        "from": "+14155940554",
        "to": "+12025551234",
        "client_state": "NDY=",
        "command_id": "4f0a2a0e-6d0f-4c0e-9d1b-0d3b6a1c9a11",
        "timeout_secs": 30,
        "time_limit_secs": 3660,
        "stream_url": STREAM_URL,
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_target_legs": "self",
        "stream_bidirectional_sampling_rate": 8000,
        "send_silence_when_idle": True,
    }


@pytest.mark.parametrize("base", ["", "/", "/v2", "/v2/"])
def test_the_base_url_is_used_as_given(base: str) -> None:
    _, requests = ask(hang_up, base=base)
    assert requests[0].path == f"{base.rstrip('/')}/calls/v3%3Aa%2Fb%3D/actions/hangup"


def test_the_carrier_s_limits_are_respected() -> None:
    _, requests = ask(lambda carrier: dial(carrier, timeout_seconds=1, time_limit_seconds=99999), DIALED)
    assert (requests[0].json["timeout_secs"], requests[0].json["time_limit_secs"]) == (5, 14400)


def test_answer_refuses_wideband_audio() -> None:
    with RecordingServer() as server, pytest.raises(ValueError, match="start_stream"):
        carrier_at(server.url).answer(
            carrier_call_id=CALL_ID, client_state="46", command_id="a", stream=stream(PCM16_16K)
        )


@pytest.mark.parametrize(
    ("voice", "language", "spoken"),
    [
        ("", "", ("female", "en-US")),
        ("Kore", "en", ("female", "en-US")),
        ("Kore", "en-GB", ("female", "en-GB")),
        ("", "DE", ("female", "de-DE")),
        ("", "xx-YY", ("female", "en-US")),
        ("", "no", ("female", "nb-NO")),
        ("", "zh-Hant", ("female", "cmn-CN")),
        ("", "es-MX", ("female", "es-MX")),
        ("", "ar-EG", ("female", "arb")),
        ("AWS.Polly.Joanna-Neural", "en-US", ("AWS.Polly.Joanna-Neural", "en-US")),
    ],
)
def test_a_voice_is_telnyx_s_own_or_the_default(voice: str, language: str, spoken: tuple[str, str]) -> None:
    _, requests = ask(lambda carrier: speak(carrier, voice, language))
    assert (requests[0].json["voice"], requests[0].json["language"]) == spoken


def test_transcription_that_is_already_running_is_not_an_error() -> None:
    def listen(carrier: TelnyxCarrier) -> None:
        carrier.start_transcription(carrier_call_id=CALL_ID, command_id="l", language="", interim=False)

    outcome, requests = ask(listen, refusal(422, "90054"))
    assert outcome is None
    assert requests[0].json["transcription_engine_config"] == {
        "transcription_engine": "Google",
        "language": "en",
        "interim_results": False,
    }


@pytest.mark.parametrize(
    ("language", "transcribed"),
    [
        ("nb-NO", "no"),
        ("nn", "no"),
        ("fil-PH", "fil"),
        ("tl", "fil"),
        ("cmn-CN", "zh"),
        ("he-IL", "iw"),
        ("EN-US", "en"),
        ("xx", "en"),
    ],
)
def test_transcription_uses_telnyx_s_language_code(language: str, transcribed: str) -> None:
    def listen(carrier: TelnyxCarrier) -> None:
        carrier.start_transcription(carrier_call_id=CALL_ID, command_id="l", language=language, interim=False)

    _, requests = ask(listen)
    assert requests[0].json["transcription_engine_config"]["language"] == transcribed


def test_a_transfer_leg_is_identified_by_its_client_state() -> None:
    _, requests = ask(transfer)
    assert requests[0].json["target_leg_client_state"] == "NDY6dHJhbnNmZXI6Nw=="


def test_search_filters() -> None:
    found, requests = ask(
        lambda carrier: carrier.search_numbers(
            NumberSearch(country="US", number_type="local", area_code="415", contains="55", limit=5)
        ),
        answer([{"phone_number": "+14155550100", "features": [{"name": "voice"}]}]),
    )
    assert [number.phone_number_type for number in found] == ["local"]
    assert requests[0].path == (
        "/available_phone_numbers?filter%5Bcountry_code%5D=US&filter%5Bphone_number_type%5D=local"
        "&filter%5Bnational_destination_code%5D=415&filter%5Bphone_number%5D%5Bcontains%5D=55&filter%5Blimit%5D=5"
    )


def test_without_a_type_filter_the_type_is_derived_from_the_number() -> None:
    rows = [{"phone_number": number} for number in ("+18335550100", "+447400123456", "+14155550100", "nonsense")]
    found, _ = ask(lambda carrier: carrier.search_numbers(NumberSearch(country="US")), answer(rows))
    assert [number.phone_number_type for number in found] == ["toll_free", "mobile", "local", "local"]


# --- responses --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "reason", "retryable"),
    [
        (refusal(422, "90018"), "call_ended", False),
        (refusal(422, "90015"), "call_ended", False),
        (refusal(422, "90034"), "not_answered", False),
        (refusal(422, "85001"), "number_unavailable", False),
        (refusal(422, "85000"), "number_unavailable", False),
        (refusal(401, "10009"), "unauthorized", False),
        (refusal(403, "10010"), "rejected", False),
        (refusal(429, "10011", retry_after="60"), "rejected", True),
        (refusal(500), "outcome_unknown", True),
        (Answer(502, b"<html>Bad gateway</html>"), "outcome_unknown", True),
        (Answer(200, b"<html>It works!</html>"), "outcome_unknown", True),
        (Answer(200, b"[]"), "outcome_unknown", False),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), "outcome_unknown", True),
        (Answer(None), "outcome_unknown", True),
        (answer({}), "outcome_unknown", False),
        (answer(None), "outcome_unknown", False),
    ],
)
def test_errors_have_our_own_reasons(given: Answer, reason: str, retryable: bool) -> None:
    error, requests = ask(order, given)
    assert isinstance(error, CarrierError)
    assert (error.reason, error.retryable) == (reason, retryable)
    assert len(requests) == 1, "an order was repeated"


def test_an_unreachable_carrier() -> None:
    with RecordingServer() as server:
        url = server.url
    with pytest.raises(CarrierError) as error:
        order(carrier_at(url))
    assert (error.value.reason, error.value.retryable) == ("unreachable", True)


def test_commands_are_retried_with_the_same_body() -> None:
    call_id, requests = ask(dial, refusal(500), Answer(None), DIALED)
    assert call_id == CALL_ID
    assert len(requests) == 3
    assert {each.body for each in requests} == {requests[0].body}


def test_retries_end() -> None:
    error, requests = ask(dial, refusal(503))
    assert isinstance(error, TelnyxError)
    assert (error.status, len(requests)) == (503, 3)


def test_a_refusal_is_not_retried() -> None:
    _, requests = ask(dial, refusal(422))
    assert len(requests) == 1


def test_retry_after_is_respected() -> None:
    started = time.monotonic()
    call_id, requests = ask(dial, refusal(429, retry_after="1"), DIALED)
    assert (call_id, len(requests)) == (CALL_ID, 2)
    assert 1.0 <= time.monotonic() - started < 3.0


def test_a_longer_wait_than_the_limit_is_not_started() -> None:
    started = time.monotonic()
    _, requests = ask(dial, refusal(429, retry_after="30"), DIALED)
    assert len(requests) == 1
    assert time.monotonic() - started < 3.0


@pytest.mark.parametrize("code", ["90018", "90015"])
def test_ending_an_ended_call_is_not_an_error(code: str) -> None:
    assert ask(hang_up, refusal(422, code))[0] is None
    assert ask(lambda carrier: carrier.reject(carrier_call_id=CALL_ID, command_id="r"), refusal(422, code))[0] is None


@pytest.mark.parametrize(
    ("given", "alive"),
    [(answer({"is_alive": True}), True), (answer({"is_alive": False}), False), (refusal(404, "10005"), False)],
)
def test_whether_a_call_is_alive(given: Answer, alive: bool) -> None:
    found, requests = ask(lambda carrier: carrier.is_alive(carrier_call_id=CALL_ID), given)
    assert found is alive
    assert requests[0].path == "/calls/v3%3Aa%2Fb%3D"


def test_a_missing_number_counts_as_released() -> None:
    result, requests = ask(lambda carrier: carrier.release_number(carrier_ref="17"), refusal(404, "10005"))
    assert result is None
    assert (requests[0].method, requests[0].path) == ("DELETE", "/phone_numbers/17")


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("pending", "pending"),
        ("success", "success"),
        ("failure", "failure"),
        ("cancelled", "failure"),
        ("x", "pending"),
    ],
)
def test_orders(status: str, ours: str) -> None:
    found, requests = ask(lambda carrier: carrier.find_order(reference="r-1"), answer([{"id": "o1", "status": status}]))
    assert (found.order_id, found.status) == ("o1", ours)
    assert requests[0].path == "/number_orders?filter%5Bcustomer_reference%5D=r-1"
    assert ask(lambda carrier: carrier.find_order(reference="r"), answer([]))[0] is None
