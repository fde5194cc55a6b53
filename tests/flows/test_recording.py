"""Recording, transcription and analysis on a platform without API keys: the API, webhooks, and the audio itself."""

import asyncio
import io
import re
import wave
from typing import Any

import httpx2
import numpy as np

from bubblyphone.core.audio import Resampler
from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.voices import Voices, plain
from tests.flows.webhooks import WebhookReceiver

PROMPT = "You are Robin, the receptionist of Harbour Dental. We are open Monday to Friday, and on Saturday morning."
SCHEMA = {
    "reason": {"type": "text", "description": "Why did the caller call?"},
    "booked": {"type": "boolean", "description": "Was an appointment made?"},
}


def sound(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The left and right channel of a recording, at 8 kHz."""
    with wave.open(io.BytesIO(content)) as file:
        assert file.getparams()[:3] == (2, 2, 8000)
        pair = np.frombuffer(file.readframes(-1), "<i2").reshape(-1, 2)
    return pair[:, 0], pair[:, 1]


def at_16k(channel: np.ndarray) -> bytes:
    return Resampler(8000, 16000).process(channel.astype("<i2").tobytes())


async def recording_of(platform: Platform, call_id: int) -> dict[str, Any]:
    async def ready() -> Any:
        response = await platform.request("GET", f"/calls/{call_id}/recording")
        assert response.status_code in (200, 409), response.text
        return response.json()["data"] if response.status_code == 200 else None

    found: dict[str, Any] = await platform.until(ready, 60)
    return found


async def fetch(url: str) -> bytes:
    answer = await asyncio.to_thread(httpx2.get, url, trust_env=False, timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    return answer.content


async def test_a_call_is_recorded_transcribed_and_analyzed(platform: Platform, voices: Voices) -> None:
    question = await voices.say("What are your opening hours?")
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        agent = await platform.post(
            "/agents",
            {"name": "Robin", "model_slug": "local-offline", "system_prompt": PROMPT, "analysis_schema": SCHEMA},
        )
        number = await platform.number(
            mode="streaming",
            agent_id=agent["id"],
            webhook_url=receiver.url,
            recording_enabled=True,
            transcription_enabled=True,
        )
        await phone.dial(number.e164)
        await phone.listen()
        await phone.ask(question)
        running = await platform.request("GET", f"/calls/{(await platform.call_on(number))['id']}/recording")
        assert running.status_code == 409
        await phone.hang_up()
        call = await platform.ended_call((await platform.call_on(number))["id"])

        recording = await recording_of(platform, call["id"])
        assert abs(recording["duration_seconds"] - call["duration_seconds"]) <= 2.5
        left, right = sound(await fetch(recording["recording_url"]))
        assert "opening hours" in await voices.understand(at_16k(left))
        assert "saturday morning" in await voices.understand(at_16k(right))

        await platform.until(lambda: "call.transcript.ready" in receiver.names, 90)
        transcript = await platform.get(f"/calls/{call['id']}/transcript")
        assert (transcript["whisper_status"], transcript["whisper_source"]) == ("ready", "offline:moonshine-tiny-en")
        caller_segment = next(segment for segment in transcript["whisper_segments"] if segment["role"] == "user")
        assert "opening hours" in plain(caller_segment["text"])
        assert 0 < caller_segment["start"] < caller_segment["end"] <= recording["duration_seconds"]

        await platform.until(lambda: "call.analysis.ready" in receiver.names, 60)
        report = receiver.one("call.analysis.ready").json
        assert (report["call_id"], report["source"]) == (str(call["id"]), "offline_rules")
        assert set(report["analysis"]) == {"reason", "booked"}
        assert report["analysis"]["booked"] is False
        assert receiver.one("call.recording.ready").is_signed_with(number.secret)
        call = await platform.get(f"/calls/{call['id']}")
        assert call["analysis_result"] == report["analysis"]
        assert (call["analysis_cost"], call["transcription_cost"]) == ("0.01", "0.00")
        events = await platform.events(call["id"])
        assert {"recording.started", "recording.saved", "transcription.ready", "analysis.ready"} <= set(events)


async def test_a_webhook_mode_call_is_recorded_by_the_carrier(platform: Platform, voices: Voices) -> None:
    question = await voices.say("What are your opening hours?")
    answers: dict[str, Any] = {"call.incoming": (200, {"action": "answer", "text": "Welcome to Harbour Dental."})}
    answers["call.speech"] = (200, {"action": "hangup"})
    async with WebhookReceiver(answers) as receiver, handset(platform) as phone:
        number = await platform.number(mode="webhook", webhook_url=receiver.url, recording_enabled=True)
        await phone.dial(number.e164)
        await phone.listen()
        phone.say(question)
        await phone.wait_for("ended", 30)
        call = await platform.ended_call((await platform.call_on(number))["id"])
        recording = await recording_of(platform, call["id"])
    left, right = sound(await fetch(recording["recording_url"]))
    assert "opening hours" in await voices.understand(at_16k(left))
    assert re.search("welcome|harbou?r|dental", await voices.understand(at_16k(right)))
    response = await platform.request("DELETE", f"/calls/{call['id']}/recording")
    assert response.status_code == 204
    response = await asyncio.to_thread(httpx2.get, recording["recording_url"], trust_env=False, timeout=30)
    assert response.status_code == 404
