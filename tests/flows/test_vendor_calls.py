"""Calls over OpenAI's and Google's protocols. Fakes of both check every frame that the platform sends."""

import asyncio
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from bubblyphone.core.audio import mulaw_to_pcm16
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.vendor import Reply, Script
from tests.flows.handset import TestHandset, handset, loud_part, pitch, tone
from tests.flows.platform import Number, Platform
from tests.flows.vendors import Vendors
from tests.flows.webhooks import WebhookReceiver

VENDORS = ["openai", "google"]
MODELS = {"openai": "gpt-realtime-1.5", "google": "gemini-3.1-flash-live"}
PRICES = {"openai": Decimal("0.12"), "google": Decimal("0.04")}
TOOL = {"name": "get_weather", "description": "Weather of a city", "parameters": {"city": "string"}}


def voice(seconds: float, frequency: float) -> bytes:
    """The model's speech: a tone at 24 kHz."""
    return tone(seconds, frequency, 24000)


def streaming(vendor: str, **settings: Any) -> dict[str, Any]:
    return {"mode": "streaming", "model": MODELS[vendor], "system_prompt": "Be brief.", **settings}


def fake_of(vendors: Vendors, vendor: str, script: Script, *key: str) -> FakeOpenAI | FakeGemini:
    return vendors.openai(script, *key) if vendor == "openai" else vendors.gemini(script, *key)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_whole_conversation(vendor_platform: Platform, vendors: Vendors, vendor: str) -> None:
    replies = [
        Reply(voice(1.0, 1000), "Hello there."),
        Reply(tool_calls=(("get_weather", {"city": "Zürich"}),), hears="Is it raining?"),
        Reply(voice(8.0, 700), "It rains and it will rain for a long time."),
        Reply(voice(0.6, 500), "Sorry.", hears="Stop."),
    ]
    # Google reports an interruption only while it generates, so its answer is slow. OpenAI has sent the whole answer by then.
    fake = fake_of(vendors, vendor, Script(replies, speed=10 if vendor == "openai" else 1.5))
    answers = {"call.tool_call": lambda body: {"result": {"sky": "grau – naß"}}}
    async with WebhookReceiver(answers) as tools, handset(vendor_platform) as phone:
        number = await vendor_platform.number(**streaming(vendor, tools=[TOOL], tool_webhook_url=tools.url))
        await phone.dial(number.e164)
        greeting = loud_part(await phone.listen())
        assert abs(pitch(greeting) - 1000) < 10
        assert abs(len(greeting) / 32000 - 1.0) < 0.1

        start = len(phone.heard)
        phone.say(tone(0.5))
        await phone.finish_speaking()
        await phone.wait_until_loud()
        await asyncio.sleep(1.5)
        silent_after = await phone.interrupt(tone(0.5))
        heard = loud_part(bytes(phone.heard[start:]))
        sorry = loud_part(await phone.listen())
        await phone.hang_up()
        call = await vendor_platform.ended_call((await vendor_platform.call_on(number))["id"])
    assert 0 < silent_after <= 0.6
    assert abs(pitch(heard) - 700) < 10
    assert abs(pitch(sorry) - 500) < 10

    await check_conversation(vendor_platform, call, vendor)
    assert tools.one("call.tool_call").is_signed_with(number.secret)
    assert tools.one("call.tool_call").json["arguments"] == {"city": "Zürich"}
    assert fake.rejected == []
    if isinstance(fake, FakeOpenAI):
        check_openai(fake, len(heard) / 32)
    else:
        check_gemini(fake)


async def check_conversation(platform: Platform, call: dict[str, Any], vendor: str) -> None:
    """Check the transcript, the timeline and the bill."""
    transcript = await platform.transcript(call["id"])
    entries = [(entry["role"], entry["text"], entry["interrupted"]) for entry in transcript]
    assert [entry for entry in entries if entry[:2] != entries[2][:2]] == [
        ("model", "Hello there.", False),
        ("user", "Is it raining?", False),
        ("user", "Stop.", False),
        ("model", "Sorry.", False),
    ]
    # The text of an interrupted answer ends where it was interrupted.
    assert (entries[2][0], entries[2][1][:8], entries[2][2]) == ("model", "It rains", True)
    events = await platform.events(call["id"])
    for name in ("stream.connected", "tool.called", "tool.returned", "model.interrupted", "stream.disconnected"):
        assert events.count(name) == 1, events
    assert (call["status"], call["hangup_cause"]) == ("completed", "normal_clearing")
    seconds = call["duration_seconds"]
    model_cost = (PRICES[vendor] * seconds / 60).quantize(Decimal("0.001"), "ROUND_HALF_UP")
    assert Decimal(call["model_cost"]) == model_cost
    assert Decimal(call["telephony_cost"]) == math.ceil(seconds / 60) * Decimal("0.04")
    assert Decimal(call["total_cost"]) == Decimal(call["telephony_cost"]) + model_cost
    assert platform.entries(call["id"]) == {"telephony": -Decimal(call["telephony_cost"]), "model": -model_cost}


def check_openai(fake: FakeOpenAI, heard_ms: float) -> None:
    """Check that PCMU passes unchanged, the tool result reaches the model, and the model learns how much was heard."""
    audio = fake.messages("session.update")[0]["session"]["audio"]
    assert (audio["input"]["format"], audio["output"]["format"]) == ({"type": "audio/pcmu"}, {"type": "audio/pcmu"})
    assert {len(frame) for frame in fake.caller_audio} == {160}
    spoken = b"".join(frame for frame in fake.caller_audio if frame != b"\xff" * 160)
    assert abs(pitch(mulaw_to_pcm16(spoken)) * 8000 / 16000 - 440) < 10
    items = [message["item"] for message in fake.messages("conversation.item.create")]
    (output,) = (item["output"] for item in items if item["type"] == "function_call_output")
    assert json.loads(output) == {"result": {"sky": "grau – naß"}}
    (truncate,) = fake.messages("conversation.item.truncate")
    assert abs(truncate["audio_end_ms"] - heard_ms) < 300


def check_gemini(fake: FakeGemini) -> None:
    (setup,) = fake.setups()
    assert setup["tools"][0]["functionDeclarations"][0]["name"] == "get_weather"
    (response,) = fake.messages("toolResponse")
    (result,) = response["toolResponse"]["functionResponses"]
    assert result["name"] == "get_weather"
    assert "grau – naß" in json.dumps(result["response"], ensure_ascii=False)


# --- failing vendors --------------------------------------------------------------------------------------------------
@dataclass
class FailingCall:
    """A call with a misbehaving vendor."""

    vendor: str
    name: str
    fake: FakeOpenAI | FakeGemini
    number: Number


async def failing_call(platform: Platform, vendors: Vendors, vendor: str, name: str, script: Script) -> FailingCall:
    """Set up a fake, a model key that leads to it, and a number with that key."""
    key = f"key-of-{vendor}-{name}"
    stored = await platform.post("/model-keys", {"provider": vendor, "api_key": key})
    number = await platform.number(**streaming(vendor, model_key_id=stored["id"]))
    return FailingCall(vendor, name, fake_of(vendors, vendor, script, key), number)


async def fails(platform: Platform, case: FailingCall, within: float) -> None:
    """Check that the platform ends the call in time, so that the caller is not left with silence."""
    async with handset(platform) as phone:
        await phone.dial(case.number.e164)
        await phone.wait_for("ended", within)
        call = await platform.ended_call((await platform.call_on(case.number))["id"])
    assert (call["status"], call["hangup_cause"]) == ("completed", "model_failed"), case
    assert (call["model_cost"], call["telephony_cost"]) == ("0.00", "0.04")
    assert "model_failed" in json.dumps(await platform.get(f"/calls/{call['id']}/events"))


async def survives(platform: Platform, case: FailingCall) -> dict[str, Any]:
    """A call with a greeting, two questions and their answers. Then the caller hangs up."""
    async with handset(platform) as phone:
        await phone.dial(case.number.e164)
        for frequency in (1000, 700):
            heard = loud_part(await phone.listen())
            assert abs(pitch(heard) - frequency) < 10, case
            await wait_for_drop(case, phone) if frequency == 700 else None
            phone.say(tone(0.5))
            await phone.finish_speaking()
        assert abs(pitch(loud_part(await phone.listen())) - 500) < 10, case
        await phone.hang_up()
        call = await platform.ended_call((await platform.call_on(case.number))["id"])
    assert (call["status"], call["hangup_cause"]) == ("completed", "normal_clearing"), case
    assert case.fake.rejected == []
    spoken = [(entry["role"], entry["text"]) for entry in await platform.transcript(call["id"])]
    assert spoken == [
        ("model", "Hello there."),
        ("user", "Is it raining?"),
        ("model", "It rains."),
        ("user", "And now?"),
        ("model", "Still."),
    ]
    return call


async def wait_for_drop(case: FailingCall, phone: TestHandset) -> None:
    """Wait until the platform has reconnected, if the vendor drops the connection."""
    connections = 2 if case.fake.script.drop_after_frames else 1
    async with asyncio.timeout(20):
        while len(case.fake.sockets) < connections:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


def talk() -> list[Reply]:
    return [
        Reply(voice(0.6, 1000), "Hello there."),
        Reply(voice(0.6, 700), "It rains.", hears="Is it raining?"),
        Reply(voice(0.6, 500), "Still.", hears="And now?"),
    ]


async def test_a_vendor_that_fails_ends_the_call_in_time(vendor_platform: Platform, vendors: Vendors) -> None:
    cases: list[tuple[FailingCall, float]] = []
    for vendor in VENDORS:
        for name, script, seconds in (
            # The apology in the fallback voice takes three seconds, at most eight.
            ("refuses-the-key", Script(refuse_status=401), 18.0),
            ("refuses-the-settings", Script(refuse_settings="No."), 18.0),
            ("hangs", Script(hang=True), 26.0),
            ("drops-every-time", Script(talk(), drop_after_frames=50, drop_connections=99), 28.0),
        ):
            cases.append((await failing_call(vendor_platform, vendors, vendor, name, script), seconds))
    await asyncio.gather(*(fails(vendor_platform, case, seconds) for case, seconds in cases))
    assert "Traceback" not in vendor_platform.log.read_text()


async def test_a_call_continues_after_a_vendors_failure(vendor_platform: Platform, vendors: Vendors) -> None:
    cases = [
        await failing_call(vendor_platform, vendors, vendor, name, script)
        for vendor in VENDORS
        for name, script in (
            ("talks-nonsense", Script(talk(), nonsense=True)),
            ("drops-once", Script(talk(), drop_after_frames=400)),
        )
    ]
    calls = await asyncio.gather(*(survives(vendor_platform, case) for case in cases))
    reconnections = [(await vendor_platform.events(call["id"])).count("model.reconnected") for call in calls]
    assert reconnections == [0, 1, 0, 1]
    openai, google = cases[1].fake, cases[3].fake
    items = [message["item"] for message in openai.messages("conversation.item.create")]
    restored = [(item["role"], item["content"][0]["text"]) for item in items]
    assert restored == [("assistant", "Hello there."), ("user", "Is it raining?"), ("assistant", "It rains.")]
    # Google keeps the conversation and returns a handle to it.
    assert isinstance(google, FakeGemini)
    assert google.setups()[1]["sessionResumption"]["handle"] in google.handles
    assert "Traceback" not in vendor_platform.log.read_text()
