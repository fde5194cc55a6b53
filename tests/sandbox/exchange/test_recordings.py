"""Recordings: who is on which channel, and how long the file can be downloaded."""

import io
import time
import wave

import aiohttp
import numpy as np
import pytest
from telnyx import APIStatusError

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import Say, Wait
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import COLLEAGUE, OWNED, answered
from tests.sandbox.exchange.test_calls import code_of
from tests.sandbox.exchange.test_media_stream import RTP, until

pytestmark = pytest.mark.virtual_time

LOW, HIGH = tone(300, 0.4), tone(900, 0.4)


async def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        return response.status, await response.read()


def channels(data: bytes) -> list[np.ndarray]:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        return list(np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels()).T)


def offset_of(sound: bytes, channel: np.ndarray) -> int:
    """The offset of a sound, as sent over the line, in a channel, in samples, or -1."""
    offset = channel.astype("<i2").tobytes().find(mulaw_to_pcm16(pcm16_to_mulaw(sound)))
    return offset // 2 if offset >= 0 else -1


async def recorded(platform, count: int = 1) -> list[np.ndarray]:
    saved = await platform.event("call.recording.saved", count=count)
    status, data = await fetch(saved["recording_urls"]["wav"])
    assert status == 200
    return channels(data)


async def test_a_call_is_recorded_from_the_answer(exchange, platform, telnyx):
    """The caller is on the left channel and the platform on the right, each at the time it was on the line."""
    record = {"record": "record-from-answer", "record_format": "wav", "record_channels": "dual"}
    caller, call_id = await answered(
        exchange, platform, telnyx, Wait(0.3), Say(pcm16=LOW), stream_url=platform.media_url(), **record, **RTP
    )
    stream = await platform.stream()
    await stream.wait_for("start")
    await stream.send_audio(pcm16_to_mulaw(HIGH))
    await until(
        lambda: pcm16_to_mulaw(HIGH) in b"".join(caller.heard) and "said" in {event.kind for event in caller.events}
    )
    caller.hang_up()
    saved = await platform.event("call.recording.saved")
    assert (saved["call_control_id"], saved["channels"], saved["format"]) == (call_id, "dual", "wav")
    assert saved["recording_started_at"] < saved["recording_ended_at"]
    assert saved["public_recording_urls"] == {}
    left, right = await recorded(platform)
    spoke_at = next(event.at_seconds for event in caller.events if event.kind == "says")
    assert offset_of(LOW, left) == pytest.approx(spoke_at * 8000, abs=160)
    assert offset_of(HIGH, right) == b"".join(caller.heard).find(pcm16_to_mulaw(HIGH))
    assert offset_of(HIGH, left) == offset_of(LOW, right) == -1
    assert platform.types().index("call.hangup") < platform.types().index("call.recording.saved")


async def test_the_response_names_the_recording(exchange, platform, telnyx):
    exchange.handset(COLLEAGUE)
    dialed = await telnyx.calls.dial(
        connection_id="exchange", from_=OWNED, to=COLLEAGUE, record="record-from-answer", record_format="wav"
    )
    await platform.event("call.answered")
    await telnyx.calls.actions.hangup(dialed.data.call_control_id)
    saved = await platform.event("call.recording.saved")
    assert saved["recording_id"] == dialed.data.recording_id
    record = (await telnyx.recordings.retrieve(saved["recording_id"])).data
    assert (record.id, record.channels, record.status) == (saved["recording_id"], "dual", "completed")
    assert record.call_control_id == dialed.data.call_control_id
    status, data = await fetch(record.download_urls.wav)
    assert status == 200
    assert len(channels(data)[0]) == record.duration_millis * 8
    assert (await telnyx.recordings.delete(saved["recording_id"])).data.id == saved["recording_id"]
    assert (await fetch(record.download_urls.wav))[0] == 404
    with pytest.raises(APIStatusError) as error:
        await telnyx.recordings.retrieve(saved["recording_id"])
    assert code_of(error.value) == (404, "10005")


async def test_a_recording_is_started_paused_and_stopped(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx, Wait(0.2), Say(pcm16=LOW), Wait(0.6), Say(pcm16=HIGH))
    actions = telnyx.calls.actions
    await actions.start_recording(call_id, channels="single", format="wav")
    await until(lambda: "said" in {event.kind for event in caller.events})
    await actions.pause_recording(call_id)
    await until(lambda: [event.kind for event in caller.events].count("said") == 2)
    await actions.resume_recording(call_id)
    await actions.stop_recording(call_id)
    (only,) = await recorded(platform)
    assert offset_of(LOW, only) >= 0
    assert offset_of(HIGH, only) == -1
    with pytest.raises(APIStatusError) as idle:
        await actions.stop_recording(call_id)
    assert code_of(idle.value) == (422, "10015")


async def test_a_recording_ends_at_its_limit(exchange, platform, telnyx):
    _, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.start_recording(call_id, channels="dual", format="wav", max_length=1)
    left, _ = await recorded(platform)
    assert len(left) == 8000


async def test_a_recording_includes_bridged_audio(exchange, platform, telnyx):
    exchange.handset(COLLEAGUE, [Wait(0.3), Say(pcm16=HIGH)])
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.start_recording(call_id, channels="dual", format="wav")
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    await until(lambda: pcm16_to_mulaw(HIGH[:1600]) in b"".join(caller.heard))
    await telnyx.calls.actions.hangup(call_id)
    _, right = await recorded(platform)
    assert offset_of(HIGH[:1600], right) >= 0


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"format": "mp3"}, 501, "/format=mp3"),
        ({"format": None}, 422, "/format"),
        ({"channels": "three"}, 422, "/channels"),
        ({"trim": "trim-silence"}, 501, "/trim"),
    ],
)
async def test_invalid_recording_commands(exchange, platform, telnyx, change, status, pointer):
    _, call_id = await answered(exchange, platform, telnyx)
    body = {"format": "wav", "channels": "dual"} | change
    with pytest.raises(APIStatusError) as error:
        await telnyx.post(f"/calls/{call_id}/actions/record_start", body=body, cast_to=object)
    assert error.value.status_code == status
    assert error.value.body["errors"][0]["source"]["pointer"] == pointer


async def test_mp3_by_default_is_refused(exchange, platform, telnyx):
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=COLLEAGUE, record="record-from-answer")
    assert error.value.status_code == 501


async def test_a_failing_disk_is_reported(exchange, platform, telnyx, tmp_path):
    folder = tmp_path / "recordings"
    async with Exchange(
        webhook_url=platform.webhook_url, api_key=exchange.api_key, recordings_folder=folder
    ) as without_folder:
        without_folder.own(OWNED)
        client = telnyx.with_options(base_url=without_folder.base_url)
        _, call_id = await answered(without_folder, platform, client)
        await client.calls.actions.start_recording(call_id, channels="dual", format="wav")
        folder.rmdir()
        await client.calls.actions.stop_recording(call_id)
        assert (await platform.event("call.recording.error"))["reason"] == "Internal server error"


async def test_a_recording_is_saved_when_the_exchange_stops(exchange, platform, telnyx, tmp_path):
    async with Exchange(
        webhook_url=platform.webhook_url, api_key=exchange.api_key, recordings_folder=tmp_path
    ) as other:
        other.own(OWNED)
        client = telnyx.with_options(base_url=other.base_url)
        _, call_id = await answered(other, platform, client)
        await client.calls.actions.start_recording(call_id, channels="dual", format="wav")
    saved = await platform.event("call.recording.saved")
    assert (tmp_path / f"{saved['recording_id']}.wav").exists()


async def test_the_url_is_signed_and_expires(exchange: Exchange, tmp_path, monkeypatch):
    recording_store = RecordingStore(tmp_path, exchange.api_key, lambda: exchange.url)
    recording_store.put("abc", b"RIFF", {})
    async with Exchange(api_key=exchange.api_key, recordings_folder=tmp_path) as other:
        url = recording_store.url("abc").replace(exchange.url, other.url)
        assert await fetch(url) == (200, b"RIFF")
        assert (await fetch(url, Authorization=f"Bearer {exchange.api_key}"))[0] == 400
        assert (await fetch(url[:-1] + ("0" if url[-1] != "0" else "1")))[0] == 403
        assert (await fetch(url.partition("?")[0]))[0] == 403
        assert (await fetch(url.replace("abc", "abd")))[0] == 403
        later = time.time() + 601
        monkeypatch.setattr(time, "time", lambda: later)
        assert (await fetch(url))[0] == 403
        assert (await fetch(recording_store.url("abc").replace(exchange.url, other.url)))[0] == 200
