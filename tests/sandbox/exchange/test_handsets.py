"""Handsets: scripts, and the API that `manage.py dial` uses."""

import base64
import io
import json
import wave

import aiohttp
import numpy as np
import pytest

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange import amd
from sandbox.exchange.audio.audio_queue import FRAME_BYTES
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets import answerers, steps
from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.handsets.steps import (
    Beep,
    HangUp,
    HearGreeting,
    Press,
    Say,
    Wait,
    WaitForSilence,
    WaitForSpeech,
    parse_steps,
)
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.handsets import ANSWER, answering
from tests.sandbox.exchange.test_media_stream import RTP, until

pytestmark = pytest.mark.virtual_time

CALLER = "+12025550123"


def kinds(handset: ScriptedHandset) -> list[str]:
    return [event.kind for event in handset.events]


async def test_a_scripted_conversation(exchange: Exchange, platform, telnyx):
    """The agent greets, the caller asks, waits for the answer and hangs up. The recording has each party on its own channel."""
    question = tone(440, 0.4)
    caller = exchange.handset(
        CALLER, [WaitForSilence(300), Say(pcm16=question), WaitForSilence(300), Press("9"), HangUp()]
    )
    agent = answering(platform, telnyx)
    await exchange.call(caller, OWNED)
    stream = await agent
    await stream.send_audio(ANSWER)
    await until(lambda: "said" in kinds(caller))
    await stream.send_audio(ANSWER)
    assert await caller.finished(6) == "normal_clearing"
    assert kinds(caller) == ["ringing", "answered", "hears", "says", "said", "hears", "pressed", "ended"]
    at = {event.kind: event.at_seconds for event in caller.events}
    assert at["said"] - at["says"] == pytest.approx(0.4, abs=0.021)

    with wave.open(io.BytesIO(caller.recording())) as recording:
        assert (recording.getnchannels(), recording.getframerate(), recording.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
    left, right = samples[:, 0], samples[:, 1]
    start = round(at["says"] * 8000)
    expected = np.frombuffer(mulaw_to_pcm16(pcm16_to_mulaw(question)), "<i2")
    assert np.array_equal(left[start : start + len(expected)], expected)
    assert ANSWER in pcm16_to_mulaw(right.astype("<i2").tobytes())


async def test_a_caller_who_interrupts(exchange: Exchange, platform, telnyx):
    caller = exchange.handset(CALLER, [WaitForSpeech(200), Say(pcm16=tone(440, 0.3)), HangUp()])
    agent = answering(platform, telnyx)
    await exchange.call(caller, OWNED)
    await (await agent).send_audio(ANSWER * 5)
    await caller.finished(5)
    at = {event.kind: event.at_seconds for event in caller.events}
    assert at["says"] - at["hears"] == pytest.approx(0.2, abs=0.081)


@pytest.mark.parametrize(("greeting", "seconds"), [(ANSWER, 0.8 + 0.2), (b"", 0.6)])
async def test_a_caller_waits_for_the_greeting_or_a_timeout(
    exchange: Exchange, platform, telnyx, monkeypatch, greeting, seconds
):
    monkeypatch.setattr(steps, "GREETING_SECONDS", 0.6)
    caller = exchange.handset(CALLER, [HearGreeting(200), HangUp()])
    agent = answering(platform, telnyx)
    await exchange.call(caller, OWNED)
    if greeting:
        await (await agent).send_audio(greeting)
    assert await caller.finished(8) == "normal_clearing"
    began = next((event.at_seconds for event in caller.events if event.kind == "hears"), 0.0)
    assert caller.at_seconds - began == pytest.approx(seconds, abs=0.061)


async def test_a_script_times_out(exchange: Exchange, platform, telnyx):
    caller = exchange.handset(CALLER, [WaitForSilence(300, timeout_seconds=0.5)])
    agent = answering(platform, telnyx)
    await exchange.call(caller, OWNED)
    await agent
    with pytest.raises(TimeoutError):
        await caller.finished(5)
    assert (await platform.event("call.hangup"))["hangup_source"] == "caller"


async def test_saying_a_sentence_requires_a_voice(exchange: Exchange):
    with pytest.raises(RuntimeError, match="No voice"):
        await exchange.call(exchange.handset(CALLER, [Say("Hello")]), OWNED)


async def test_a_sentence_is_spoken_once_by_the_voice(platform, telnyx):
    spoken = []

    async def voice(text: str) -> bytes:
        spoken.append(text)
        return tone(300, 0.2)

    async with Exchange(webhook_url=platform.webhook_url, tts=voice) as exchange:
        exchange.own(OWNED)
        await exchange.call(exchange.handset(CALLER, [Say("Hello"), Say("Hello")]), OWNED)
    assert spoken == ["Hello"]


async def test_the_echo_number_plays_back_what_it_hears(exchange, platform, telnyx):
    await telnyx.calls.dial(
        connection_id="exchange", from_=OWNED, to=answerers.ECHO, stream_url=platform.media_url(), **RTP
    )
    stream = await platform.stream()
    await stream.wait_for("start")
    await stream.send_audio(ANSWER)
    await until(lambda: ANSWER in stream.audio())


def test_scripts_from_json():
    pcm = base64.b64encode(b"\x01\x00").decode()
    script = [
        {"say": "Hi"},
        {"say_pcm": pcm},
        {"wait": 1.5},
        {"wait_for_silence": 700},
        {"wait_for_speech": 300},
        {"press": "12#"},
        {"beep": True},
        {"hang_up": True},
    ]
    assert parse_steps(script) == [
        Say("Hi"),
        Say(pcm16=b"\x01\x00"),
        Wait(1.5),
        WaitForSilence(700),
        WaitForSpeech(300),
        Press("12#"),
        Beep(),
        HangUp(),
    ]


@pytest.mark.parametrize(
    "script", [{}, ["say"], [{"say": ""}], [{"dance": 1}], [{"wait": "x"}], [{"press": "x"}], [{}]]
)
def test_invalid_scripts(script):
    with pytest.raises(ValueError, match=r"[Ss]tep"):
        parse_steps(script)


# --- the handsets API -------------------------------------------------------------------------------------------------


async def test_dialing_from_another_process(exchange: Exchange, platform, telnyx):
    agent = answering(platform, telnyx)
    steps = [{"wait_for_silence": 200}, {"say_pcm": base64.b64encode(tone(440, 0.2)).decode()}, {"hang_up": True}]
    body = {"to": OWNED, "from": CALLER, "steps": steps, "max_seconds": 20}
    headers = {"Authorization": f"Bearer {exchange.api_key}"}
    lines = []
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(f"{exchange.url}/handsets/dial", json=body) as response:
            assert response.status == 200
            async for line in response.content:
                lines.append(json.loads(line))
                if lines[-1]["kind"] == "answered":
                    await (await agent).send_audio(ANSWER)
        async with http.post(f"{exchange.url}/handsets/dial", json=body | {"steps": [{"x": 1}]}) as response:
            assert response.status == 422
    assert [line["kind"] for line in lines] == ["ringing", "answered", "hears", "says", "said", "ended", "result"]
    result = lines[-1]
    assert (result["cause"], result["error"], result["digits"]) == ("normal_clearing", "", "")
    with wave.open(io.BytesIO(base64.b64decode(result["recording"]))) as recording:
        assert recording.getnframes() % FRAME_BYTES == 0
        assert recording.getnframes() > 8000


async def test_if_the_callers_process_dies_its_call_is_hung_up(exchange: Exchange, platform, telnyx):
    agent = answering(platform, telnyx)
    body = {"to": OWNED, "from": CALLER, "steps": [], "max_seconds": 60}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {exchange.api_key}"}) as http:
        response = await http.post(f"{exchange.url}/handsets/dial", json=body)
        await agent
        response.close()
        assert (await platform.event("call.hangup"))["hangup_source"] == "caller"


async def call_a_waiting_phone(exchange: Exchange, telnyx, **body) -> list[dict]:
    """The events of a phone in another process that the platform calls."""
    headers = {"Authorization": f"Bearer {exchange.api_key}"}
    body |= {"number": CALLER, "ring_seconds": 0}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{exchange.url}/handsets/wait", json=body) as response,
    ):
        assert json.loads(await response.content.readline()) == {"at_seconds": 0.0, "kind": "waiting", "detail": CALLER}
        await telnyx.calls.dial(
            connection_id="exchange", from_=OWNED, to=CALLER, answering_machine_detection="detect_beep"
        )
        lines = [json.loads(line) async for line in response.content]
    assert CALLER not in exchange.switch.handsets
    return lines


async def test_an_answering_machine_in_another_process_is_called(exchange: Exchange, platform, telnyx, monkeypatch):
    monkeypatch.setitem(amd.VERDICTS, "machine", amd.VERDICTS["machine"]._replace(seconds=0.1))
    greeting = base64.b64encode(tone(440, 0.4)).decode()
    steps = [{"say_pcm": greeting}, {"beep": True}, {"press": "7"}, {"hang_up": True}]
    lines = await call_a_waiting_phone(exchange, telnyx, steps=steps, answerer="machine")
    assert [line["kind"] for line in lines] == [
        "ringing", "answered", "says", "said", "beep", "pressed", "ended", "result",
    ]  # fmt: skip
    assert (lines[0]["detail"], lines[-1]["cause"]) == (OWNED, "normal_clearing")
    assert (await platform.event("call.machine.detection.ended"))["result"] == "machine"
    assert (await platform.event("call.machine.greeting.ended"))["result"] == "beep_detected"
    assert (await platform.event("call.dtmf.received"))["digit"] == "7"


@pytest.mark.parametrize(("on_ring", "cause"), [("busy", "user_busy"), ("decline", "call_rejected")])
async def test_a_phone_in_another_process_refuses_a_call(exchange: Exchange, platform, telnyx, on_ring, cause):
    lines = await call_a_waiting_phone(exchange, telnyx, on_ring=on_ring)
    assert [line["kind"] for line in lines] == ["ringing", "ended", "result"]
    assert (lines[-1]["cause"], lines[-1]["error"]) == (cause, "")
    assert (await platform.event("call.hangup"))["hangup_cause"] == cause


async def test_a_waiting_phone_times_out_and_its_number_is_taken(exchange: Exchange):
    body = {"number": CALLER, "wait_seconds": 1}
    headers = {"Authorization": f"Bearer {exchange.api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{exchange.url}/handsets/wait", json=body) as response,
    ):
        async with http.post(f"{exchange.url}/handsets/wait", json=body) as refused:
            assert refused.status == 422
            assert (await refused.json())["errors"][0]["source"] == {"pointer": "/number"}
        waiting, result = [json.loads(line) async for line in response.content]
    assert waiting["kind"] == "waiting"
    assert (result["kind"], result["cause"], result["error"]) == ("result", "", "Nobody called within 1 s.")
    assert CALLER not in exchange.switch.handsets
