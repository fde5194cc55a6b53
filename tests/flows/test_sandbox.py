"""A browser talks to an agent: the sandbox's WebSocket protocol, its limits and the bill."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bubblyphone.core.audio import Resampler
from tests.fakes.vendor import Reply, Script
from tests.flows.handset import FRAME_BYTES, loud_part, pitch, tone
from tests.flows.platform import Platform
from tests.flows.vendors import Vendors
from tests.flows.webhooks import WebhookReceiver

TOOL = {"name": "get_weather", "description": "Weather of a city", "parameters": {"city": "string"}}


class Browser:
    """Sends microphone audio in real time, and collects what it receives. `sound` is the agent's audio, resampled to 16 kHz."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.sound = bytearray()
        self.sound_at = 0.0
        self._to_say = bytearray()
        self._down = Resampler(24000, 16000)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._speak())]

    async def _read(self) -> None:
        async for message in self.socket:
            frame = orjson.loads(message)
            if frame["type"] == "audio":
                assert frame.keys() == {"type", "data", "sample_rate"}
                assert frame["sample_rate"] == 24000
                self.sound += self._down.process(base64.b64decode(frame["data"]))
                self.sound_at = time.monotonic()
            else:
                self.frames.append(frame)

    async def _speak(self) -> None:
        next_at = time.monotonic()
        while True:
            frame = bytes(self._to_say[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
            del self._to_say[:FRAME_BYTES]
            try:
                await self.send({"type": "audio", "data": base64.b64encode(frame).decode()})
            except ConnectionClosed:
                return
            next_at += 0.02
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    async def send(self, frame: Any) -> None:
        await self.socket.send(orjson.dumps(frame).decode())

    async def say(self, pcm16_16k: bytes) -> None:
        self._to_say += pcm16_16k
        while self._to_say:
            await asyncio.sleep(0.02)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    async def wait_for(self, kind: str, count: int = 1, seconds: float = 25) -> dict[str, Any]:
        """Wait for `count` frames of a kind. Returns the newest."""
        async with asyncio.timeout(seconds):
            while len(self.of(kind)) < count:
                await asyncio.sleep(0.02)
        return self.of(kind)[-1]

    async def hear(self, seconds: float = 20) -> None:
        """Wait for the next sound."""
        before = len(self.sound)
        async with asyncio.timeout(seconds):
            while len(self.sound) == before:
                await asyncio.sleep(0.02)

    async def listen(self, *, quiet: float = 1.0) -> bytes:
        """The sound received from now on, until none arrives for `quiet` seconds. It arrives faster than it plays."""
        start, began = len(self.sound), time.monotonic()
        async with asyncio.timeout(30):
            while self.sound_at < began or time.monotonic() - self.sound_at < quiet:
                await asyncio.sleep(0.02)
        return loud_part(bytes(self.sound[start:]))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def browser(address: str) -> AsyncIterator[Browser]:
    async with connect(address, compression=None, proxy=None, max_size=None) as socket:
        opened = Browser(socket)
        try:
            yield opened
        finally:
            await opened.close()


async def start(platform: Platform, number_id: int, **overrides: Any) -> dict[str, Any]:
    """POST /sandbox/calls, and check the documented shape of the response."""
    started: dict[str, Any] = await platform.post(
        "/sandbox/calls", {"phone_number_id": number_id, "overrides": overrides}
    )
    assert started.keys() == {"call_id", "ws_url", "model", "expires_in"}
    assert started["call_id"].startswith("sandbox_")
    assert f"/sandbox/ws/{started['call_id']}" in started["ws_url"]
    assert started["expires_in"] == 30
    return started


async def test_a_conversation_in_a_browser(vendor_platform: Platform, vendors: Vendors) -> None:
    replies = [
        Reply(tone(0.6, 1000, 24000), "Hello there."),
        Reply(tool_calls=(("get_weather", {"city": "Paris"}),), hears="Is it raining?"),
        Reply(tone(6.0, 700, 24000), "It rains."),
        Reply(tone(0.4, 500, 24000), "Goodbye.", hears="Bye.", tool_calls=(("end_call", {}),)),
    ]
    fake = vendors.openai(Script(replies))
    answers = {"call.tool_call": lambda body: {"result": "rain"}}
    async with WebhookReceiver(answers) as tools:
        number = await vendor_platform.number(
            mode="streaming",
            model="gemini-3.1-flash-live",
            system_prompt="Be brief.",
            tools=[TOOL],
            tool_webhook_url=tools.url,
        )
        started = await start(vendor_platform, number.id, model="gpt-realtime-1.5", system_prompt="Be a test.")
        assert started["model"] == "gpt-realtime-1.5"
        async with browser(started["ws_url"]) as chat:
            await chat.listen()  # until the greeting has been played, too
            greeting = loud_part(bytes(chat.sound))
            await chat.say(tone(0.5))
            await chat.wait_for("tool_call")
            await chat.hear()
            await asyncio.sleep(1)
            await chat.say(tone(0.4))
            ended = await chat.wait_for("ended")
            await chat.socket.wait_closed()
        call = await vendor_platform.ended_call(started["call_id"])
    assert abs(pitch(greeting) - 1000) < 10
    assert abs(len(greeting) / 32000 - 0.6) < 0.06
    assert ended == {"type": "ended", "reason": "completed"}
    assert chat.of("ready") == [{"type": "ready"}]
    assert chat.of("clear") == [{"type": "clear"}]
    assert chat.of("tool_call") == [{"type": "tool_call", "tool": "get_weather", "arguments": {"city": "Paris"}}] + [
        {"type": "tool_call", "tool": "end_call", "arguments": {}}
    ] * (len(chat.of("tool_call")) - 1)
    transcript = [(frame["role"], frame["text"]) for frame in chat.of("transcript")]
    # If the text arrives after the interruption, it contains only the heard part of the answer.
    assert transcript.pop(2) in [("model", "It rains."), ("model", "It")]
    assert transcript == [
        ("model", "Hello there."),
        ("user", "Is it raining?"),
        ("user", "Bye."),
        ("model", "Goodbye."),
    ]
    assert chat.of("error") == []
    assert fake.messages("session.update")[0]["session"]["instructions"] == "Be a test."
    assert (len(fake.messages("conversation.item.truncate")), fake.rejected) == (1, [])
    assert (call["sandbox"], call["status"], call["hangup_cause"]) == (True, "completed", "normal_clearing")
    model_cost = (Decimal("0.12") * call["duration_seconds"] / 60).quantize(Decimal("0.001"), "ROUND_HALF_UP")
    assert (call["telephony_cost"], Decimal(call["model_cost"])) == ("0.00", model_cost)
    assert vendor_platform.entries(call["id"]) == {"model": -model_cost}
    assert await vendor_platform.get(f"/calls/{call['id']}") == call  # both IDs work


async def assert_refused(address: str) -> None:
    """Check that this WebSocket URL is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        await connect(address, proxy=None)
    assert refusal.value.response.status_code == 403


async def test_malformed_frames_a_used_token_and_a_flood(vendor_platform: Platform, vendors: Vendors) -> None:
    vendors.openai(Script([Reply(tone(0.4, 1000, 24000), "Hello.")] * 9))
    number = await vendor_platform.number(mode="streaming", model="gpt-realtime-mini", system_prompt="Be brief.")
    started = await start(vendor_platform, number.id)
    bad: list[Any] = [
        "{",
        b"\x00\x01",
        '["audio"]',
        '{"type":"dance"}',
        '{"type":"audio"}',
        '{"type":"audio","data":7}',
    ]
    bad += ['{"type":"audio","data":"not base64!"}']
    await assert_refused(started["ws_url"] + "x")
    async with browser(started["ws_url"]) as chat:
        await chat.listen(quiet=0.4)
        await assert_refused(started["ws_url"])  # used
        for frame in bad:
            await chat.socket.send(frame)
        await chat.wait_for("error", len(bad))
        assert all(frame.keys() == {"type", "message"} and frame["message"] for frame in chat.of("error"))
        await chat.say(tone(0.4))
        assert abs(pitch(await chat.listen(quiet=0.4)) - 1000) < 10  # the call continued
        for _ in range(60):
            await chat.socket.send("{")
        await chat.wait_for("ended")
        await chat.socket.wait_closed()
    call = await vendor_platform.ended_call(started["call_id"])
    assert call["status"] == "completed"
    assert "Traceback" not in vendor_platform.log.read_text()


async def test_invalid_sandbox_calls_are_refused(vendor_platform: Platform) -> None:
    number = await vendor_platform.number(mode="webhook")
    for body, field in (
        ({}, "phone_number_id"),
        ({"phone_number_id": number.id}, "phone_number_id"),
        ({"phone_number_id": 987654}, "phone_number_id"),
        ({"phone_number_id": number.id, "color": 1}, "color"),
        ({"phone_number_id": number.id, "overrides": {"tools": []}}, "overrides.tools"),
    ):
        answer = await vendor_platform.request("POST", "/sandbox/calls", json=body)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field]), answer.text
