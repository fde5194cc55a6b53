"""Requests, responses and webhooks of the exchange, checked against Telnyx's published schemas."""

import asyncio
import base64
import io
import wave
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import jsonschema
import pytest

from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets import answerers
from sandbox.exchange.handsets.steps import Press, Wait
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform
from tests.sandbox.exchange.specification import WEBHOOKS, Specification

pytestmark = pytest.mark.virtual_time


class Client:
    """An HTTP client that checks each request and response body."""

    def __init__(self, exchange: Exchange, specification: Specification, http: aiohttp.ClientSession) -> None:
        self._exchange = exchange
        self._specification = specification
        self._http = http
        self.seen: list[tuple[str, str, int]] = []

    async def __call__(
        self, method: str, path: str, body: Any = None, *, query: str = "", status: int = 200, **ids: str
    ) -> Any:
        operation = self._specification.operation(method, path)
        if body is not None and status == 200:
            self._specification.check_body(body, method, path)
        url = (
            self._exchange.base_url + path.format(**{key: quote(value, safe="") for key, value in ids.items()}) + query
        )
        headers = {"Authorization": f"Bearer {self._exchange.api_key}"}
        async with self._http.request(method, url, json=body, headers=headers) as response:
            answer = await response.json()
            assert response.status == status, answer
        self.seen.append((method, path, status))
        for pointer in self._answers(operation, status):
            self._specification.check(answer, pointer)
        return answer.get("data", answer) if isinstance(answer, dict) else answer

    def _answers(self, operation: str, status: int) -> Iterator[str]:
        _, responses = self._specification.resolve(f"{operation}/responses")
        name = str(status) if str(status) in responses else "default"
        if name in responses:
            pointer, response = self._specification.resolve(f"{operation}/responses/{name}")
            if "content" in response:
                yield f"{pointer}/content/application~1json/schema"


async def test_requests_responses_and_webhooks_match_the_schemas(exchange, platform: FakePlatform, specification):
    async with aiohttp.ClientSession() as http:
        client = Client(exchange, specification, http)
        await _numbers(client)
        await _documents(client)
        await _inbound_call(client, exchange, platform)
        await _outbound_calls(client, exchange, platform)
        await _announcements(client, exchange, platform)
        await _transfer_and_recording(client, exchange, platform)
        await _refusals(client)
    for event in platform.events:
        specification.check_webhook(event)
    # These two have their own tests: one needs a recognizer, the other a broken disk.
    absent = {"call.transcription", "call.recording.error"}
    assert {event["data"]["event_type"] for event in platform.events} == set(WEBHOOKS) - absent
    assert len(client.seen) > 25


async def _numbers(client: Client) -> None:
    rows = await client("get", "/available_phone_numbers", query="?filter[country_code]=US&filter[limit]=5")
    body = {
        "phone_numbers": [{"phone_number": rows[0]["phone_number"]}],
        "connection_id": "exchange",
        "customer_reference": "purchase-81",
    }
    order = await client("post", "/number_orders", body)
    await asyncio.sleep(0.3)
    await client("get", "/number_orders/{number_order_id}", number_order_id=order["id"])
    await client("get", "/number_orders", query="?filter[customer_reference]=purchase-81")
    listed = await client("get", "/phone_numbers", query=f"?filter[phone_number]=%2B{rows[0]['phone_number'][1:]}")
    await client("get", "/phone_numbers/{id}", id=listed[0]["id"])
    await client("patch", "/phone_numbers/{id}", {"tags": ["a"], "customer_reference": "b"}, id=listed[0]["id"])
    await client("delete", "/phone_numbers/{id}", id=listed[0]["id"])


async def _documents(client: Client) -> None:
    await client("get", "/requirements", query="?filter[country_code]=GB&filter[phone_number_type]=local")
    group = await client(
        "post", "/requirement_groups", {"country_code": "GB", "phone_number_type": "local", "action": "ordering"}
    )
    document = await client("post", "/documents", {"file": "JVBERi0xLjQ=", "filename": "bill.pdf"})
    await client("get", "/documents/{id}", id=document["id"])
    values = [
        {
            "requirement_id": each["requirement_id"],
            "field_value": document["id"] if each["field_type"] == "document" else "Ada",
        }
        for each in group["regulatory_requirements"]
    ]
    await client("patch", "/requirement_groups/{id}", {"regulatory_requirements": values}, id=group["id"])
    await client("get", "/requirement_groups/{id}", id=group["id"])
    await client("post", "/requirement_groups/{id}/submit_for_approval", id=group["id"])
    await client("get", "/requirement_groups")


def _action(name: str) -> str:
    return f"/calls/{{call_control_id}}/actions/{name}"


async def _inbound_call(client: Client, exchange: Exchange, platform: FakePlatform) -> None:
    caller = exchange.handset("+12025550123", [Wait(0.2), Press("5")])
    await exchange.call(caller, OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    stream = {
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_target_legs": "self",
    }
    answer = {"client_state": "eyJjYWxsX2lkIjogNDZ9", "command_id": "answer-46", "stream_url": platform.media_url()}
    await client("post", _action("answer"), answer | stream | {"send_silence_when_idle": True}, call_control_id=call_id)
    await platform.event("streaming.started")
    await client("get", "/calls/{call_control_id}", call_control_id=call_id)
    await client("post", _action("send_dtmf"), {"digits": "1ww2#", "duration_millis": 250}, call_control_id=call_id)
    await client("post", _action("streaming_stop"), {}, call_control_id=call_id)
    token = {
        "stream_auth_token": "t",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_url": "ws://127.0.0.1:9/none",
    }
    await client("post", _action("streaming_start"), stream | token, call_control_id=call_id)
    await platform.event("streaming.failed")
    await platform.event("call.dtmf.received")
    await client("put", _action("client_state_update"), {"client_state": "YQ=="}, call_control_id=call_id)
    await client("post", _action("hangup"), {"command_id": "hangup-46"}, call_control_id=call_id)
    await client("get", "/calls/{call_control_id}", call_control_id=call_id)
    await exchange.call(exchange.handset("+12025550124"), OWNED)
    second = (await platform.event("call.initiated", count=2))["call_control_id"]
    await client("post", _action("reject"), {"cause": "USER_BUSY"}, call_control_id=second)


async def _outbound_calls(client: Client, exchange: Exchange, platform: FakePlatform) -> None:
    dial = {"connection_id": "exchange", "from": OWNED, "command_id": "4f0a2a0e-6d0f-4c0e-9d1b-0d3b6a1c9a11"}
    limits = {"timeout_secs": 30, "time_limit_secs": 3660, "answering_machine_detection": "premium"}
    config = {"answering_machine_detection_config": {"total_analysis_time_millis": 10000}}
    await client("post", "/calls", dial | limits | config | {"to": answerers.MACHINE})
    other = {"to": answerers.MACHINE, "command_id": "other", "answering_machine_detection": "detect_beep"}
    await client("post", "/calls", dial | other)
    await client("post", "/calls", dial | {"to": answerers.UNALLOCATED_NUMBER, "command_id": "third"})
    await platform.event("call.machine.premium.greeting.ended", seconds=8)
    await platform.event("call.machine.greeting.ended", seconds=8)


async def _answered(client: Client, exchange: Exchange, platform: FakePlatform, number: str) -> str:
    """An answered call from this number."""
    count = platform.types().count("call.initiated") + 1
    await exchange.call(exchange.handset(number), OWNED)
    call_id = (await platform.event("call.initiated", count=count))["call_control_id"]
    await client("post", _action("answer"), {}, call_control_id=call_id)
    return call_id


async def _announcements(client: Client, exchange: Exchange, platform: FakePlatform) -> None:
    call_id = await _answered(client, exchange, platform, "+12025550125")
    speak = {
        "payload": "Hello!",
        "voice": "AWS.Polly.Joanna-Neural",
        "payload_type": "text",
        "command_id": "speak-46-1",
    }
    await client("post", _action("speak"), speak | {"loop": 2, "language": "en-US"}, call_control_id=call_id)
    await platform.event("call.speak.ended")
    content = {"playback_content": "UklGRg==", "audio_type": "wav"}
    await client("post", _action("playback_start"), content, call_control_id=call_id)
    await platform.event("call.playback.ended")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        out.writeframes(tone(440, 0.5))
    content["playback_content"] = base64.b64encode(file.getvalue()).decode()
    await client("post", _action("playback_start"), content | {"loop": "infinity"}, call_control_id=call_id)
    await platform.event("call.playback.started")
    await client("post", _action("playback_stop"), {"stop": "all"}, call_control_id=call_id)
    await client("post", _action("transcription_stop"), {}, call_control_id=call_id)
    await client("post", _action("hangup"), {}, call_control_id=call_id)


async def _transfer_and_recording(client: Client, exchange: Exchange, platform: FakePlatform) -> None:
    call_id = await _answered(client, exchange, platform, "+12025550126")
    exchange.handset("+12025550127")
    record = {"format": "wav", "channels": "dual", "play_beep": False, "command_id": "rec-46"}
    await client("post", _action("record_start"), record, call_control_id=call_id)
    await client("post", _action("record_pause"), {}, call_control_id=call_id)
    await client("post", _action("record_resume"), {}, call_control_id=call_id)
    transfer = {
        "to": "+12025550127",
        "from": OWNED,
        "timeout_secs": 30,
        "command_id": "xfer-46",
        "target_leg_client_state": "eyJjYWxsX2lkIjogNDYsICJsZWciOiAiYiJ9",
        "park_after_unbridge": "self",
    }
    await client("post", _action("transfer"), transfer, call_control_id=call_id)
    await platform.event("call.bridged", count=2)
    other_id = await _answered(client, exchange, platform, "+12025550128")
    bridge = {"call_control_id": other_id, "mute_dtmf": "none", "prevent_double_bridge": False}
    await client("post", _action("bridge"), bridge, call_control_id=call_id)
    await client("post", _action("record_stop"), {}, call_control_id=call_id)
    saved = await platform.event("call.recording.saved")
    await client("get", "/recordings/{recording_id}", recording_id=saved["recording_id"])
    await client("delete", "/recordings/{recording_id}", recording_id=saved["recording_id"])
    await client("post", _action("hangup"), {}, call_control_id=call_id)


async def _refusals(client: Client) -> None:
    await client("post", "/calls", {"connection_id": "exchange", "from": OWNED}, status=422)
    await client("post", _action("hangup"), {}, status=422, call_control_id="v3:nobody")
    await client("get", "/phone_numbers/{id}", status=404, id="1")
    await client("get", "/recordings/{recording_id}", status=404, recording_id="1")
    await client("get", "/available_phone_numbers", status=422)


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (
            {"connection_id": "exchange", "from": OWNED},
            "/paths/~1calls/post/requestBody/content/application~1json/schema",
        ),
        (
            {"data": {"payload": {"hangup_cause": "bored"}}},
            "/webhooks/callHangup/post/requestBody/content/application~1json/schema",
        ),
    ],
)
def test_the_schemas_refuse_invalid_values(specification, value, pointer):
    resolved, _ = specification.resolve(pointer.partition("/content")[0])
    with pytest.raises(jsonschema.ValidationError):
        specification.check(value, resolved + "/content" + pointer.partition("/content")[2])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/calls", {"connection_id": "exchange", "from": OWNED, "to": OWNED, "color": "red"}),
        (_action("answer"), {"stream_url": 5}),
        (_action("answer"), {"stream_bidirectional_codec": "MP3"}),
        (_action("hangup"), {"reason": "bored"}),
        (_action("send_dtmf"), {}),
        (_action("transfer"), {"to": ["+12025550127"]}),
        ("/number_orders", {"numbers": []}),
    ],
)
def test_the_schemas_refuse_bodies_that_telnyx_would_refuse(specification, path, body):
    with pytest.raises(jsonschema.ValidationError):
        specification.check_body(body, "post", path)
