"""Recordings: each sound is at the time it was heard, on the right channel, whatever the network and the process do."""

import asyncio
import base64
import resource
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import numpy as np
import orjson
import pytest

from bubblyphone.core.audio import PCM16_16K, PCMU_8K, mulaw_to_pcm16, pcm16_to_mulaw
from calls.after_call.wav_file import StereoReader, WavFile, began_at
from calls.live.call_recorder import CallRecorder, Mix, RecordedTransport
from calls.session.transport import CarrierTransport, LineBroken
from phone_numbers.carriers.media_protocol import StreamStopped
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import Say, Wait
from sandbox.exchange.server import Exchange
from tests.calls.scripted import ScriptedCaller
from tests.sandbox.exchange.calls import CALLER, OWNED
from tests.sandbox.exchange.platform import FakePlatform, MediaConnection

FRAME = 160
LOUD, OTHER = b"\x10", b"\x90"  # two µ-law samples that are not silence
BEGAN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def new_mix(path: Path) -> tuple[Mix, WavFile]:
    file = WavFile(path, 8000, BEGAN)
    return Mix(PCMU_8K, file, 0.0), file


def channels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open("rb") as opened:
        reader = StereoReader(opened)
        sides = [np.frombuffer(reader.read(channel, 0, reader.frames), "<i2") for channel in (0, 1)]
    return sides[0], sides[1]


def loud_ms(channel: np.ndarray) -> list[tuple[int, int]]:
    """The (start, end) of each sound, in milliseconds."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (channel != 0).astype(np.int8), [0]))))
    return [(int(first) // 8, int(end) // 8) for first, end in edges.reshape(-1, 2)]


def hear(mix: Mix, first: int, end: int, *, delay: float = 0.0, sound: bytes = LOUD) -> None:
    """Send the caller's frames of these milliseconds, each `delay` seconds late."""
    for begin in range(first, end, 20):
        mix.heard((begin + 20) / 1000 + delay, sound * FRAME)


def test_agent_audio_starts_after_all_audio_before_it(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 1000, sound=b"\xff")
    mix.said(0.2, LOUD * 8 * 300)
    mix.said(0.21, LOUD * 8 * 100)  # sent ahead of time
    mix.said(0.9, LOUD * 8 * 50)
    mix.finish(1.0)
    left, right = channels(tmp_path / "a.wav")
    assert loud_ms(left) == []
    assert loud_ms(right) == [(200, 600), (900, 950)]
    assert len(left) == len(right) == 8000


def test_audio_dropped_by_a_barge_in_is_not_recorded(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 3000, sound=b"\xff")
    mix.said(0.5, LOUD * 8 * 2000)
    mix.write(2.0)  # up to half a second
    mix.cleared(1.25)
    mix.said(1.5, OTHER * 8 * 100)
    mix.finish(3.0)
    assert loud_ms(channels(tmp_path / "a.wav")[1]) == [(500, 1250), (1500, 1600)]


def test_audio_not_played_before_the_end_is_not_recorded(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 1000)
    mix.said(0.9, LOUD * 8 * 5000)
    mix.finish(1.0)
    assert loud_ms(channels(tmp_path / "a.wav")[1]) == [(900, 1000)]


def test_frames_that_arrive_late_in_a_burst_stay_contiguous(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 1000)
    for begin in range(1000, 1400, 20):  # the event loop was blocked for 400 ms
        mix.heard(1.4 + begin / 1e6, LOUD * FRAME)
    hear(mix, 1400, 2500)
    mix.finish(2.5)
    assert loud_ms(channels(tmp_path / "a.wav")[0]) == [(0, 2500)]


def test_missing_audio_is_silence_of_the_same_length(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 1000)
    hear(mix, 3000, 4000)  # after two seconds without frames
    mix.write(4.0)
    hear(mix, 4000, 5000)
    mix.finish(5.0)
    assert loud_ms(channels(tmp_path / "a.wav")[0]) == [(0, 1000), (3000, 5000)]


def test_the_first_frame_can_be_the_slowest(tmp_path: Path) -> None:
    """The fastest frame sets the clock, so the agent stays aligned with the caller."""
    mix, file = new_mix(tmp_path / "a.wav")
    mix.heard(0.02, LOUD * FRAME)
    hear(mix, 20, 1000, delay=-0.15, sound=b"\xff")
    mix.said(0.6, LOUD * 8 * 100)  # 750 ms after the caller began
    mix.finish(1.0)
    left, right = channels(tmp_path / "a.wav")
    assert loud_ms(left) == [(0, 20)]
    assert loud_ms(right) == [(750, 850)]
    assert began_at(tmp_path / "a.wav") == file.began_at == BEGAN - timedelta(seconds=0.15)


def test_a_resumed_session_records_at_the_right_time(tmp_path: Path) -> None:
    mix, file = new_mix(tmp_path / "a.wav")
    hear(mix, 0, 1000)
    mix.finish(1.0)
    file.close()
    again = WavFile(tmp_path / "a.wav", 16000, BEGAN + timedelta(hours=1))
    assert (again.frames, again.sample_rate, again.began_at) == (8000, 8000, BEGAN)
    mix = Mix(PCMU_8K, again, 0.0)
    mix.said(1.5, LOUD * 800)
    hear(mix, 3000, 4000)
    mix.finish(4.0)
    left, right = channels(tmp_path / "a.wav")
    assert loud_ms(left) == [(0, 1000), (3000, 4000)]
    assert loud_ms(right) == [(1500, 1600)]


def test_sixteen_bit_audio_of_a_browser(tmp_path: Path) -> None:
    file = WavFile(tmp_path / "a.wav", 16000, BEGAN)
    mix = Mix(PCM16_16K, file, 0.0)
    mix.heard(0.1, b"\x00\x20" * 1600 + b"\x01")  # plus half a sample
    mix.said(0.05, b"\x00\x30" * 800)
    mix.finish(0.1)
    left, right = channels(tmp_path / "a.wav")
    assert (left == 0x2000).all() and len(left) == 1600
    assert (right[:800] == 0).all() and (right[800:] == 0x3000).all()


def test_the_file_can_be_played_at_any_time(tmp_path: Path) -> None:
    mix, _ = new_mix(tmp_path / "a.wav")
    for second in range(5):
        hear(mix, second * 1000, second * 1000 + 1000)
        mix.write(second + 1.0)
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert file.getparams()[:3] == (2, 2, 8000)
            assert file.getnframes() == max(0, second * 8000 - 4000)
            assert len(file.readframes(-1)) == file.getnframes() * 4


KILLED = """
import asyncio, base64, os, pathlib, signal, sys, wave
from calls.live import call_recorder
from bubblyphone.core.audio import PCMU_8K

call_recorder.WRITE_SECONDS, call_recorder.HOLD_SECONDS = 0.1, 0.2

def samples():
    try:
        with wave.open(sys.argv[1]) as file:
            return file.getnframes()
    except (FileNotFoundError, EOFError):
        return 0

async def main():
    recorded = call_recorder.CallRecorder(pathlib.Path(sys.argv[1]), PCMU_8K)
    while samples() < 4000:
        recorded.heard(base64.b64encode(bytes([16]) * 160).decode())
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_killed_process_leaves_the_audio_heard_so_far(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60, check=False)
    assert ended.returncode == -9
    left, _ = channels(path)
    assert len(left) >= 4000
    assert left[:800].all()


async def test_a_failing_disk_does_not_end_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    recorder = CallRecorder(tmp_path / "file" / "a.wav", PCMU_8K)
    recorder.heard(base64.b64encode(LOUD * FRAME).decode())
    await recorder.close()
    assert "Writing a recording failed" in caplog.text


async def test_a_full_disk_does_not_end_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = CallRecorder(tmp_path / "a.wav", PCMU_8K)
    for _ in range(5):
        recorder.heard(base64.b64encode(LOUD * FRAME).decode())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        await recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "a.wav").stat().st_size == 1000
    assert "Writing a recording failed" in caplog.text


async def test_a_recording_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All of them are written by one thread, one after the other."""
    monkeypatch.setattr("calls.live.call_recorder.WRITE_SECONDS", 0.02)
    monkeypatch.setattr("calls.live.call_recorder.HOLD_SECONDS", 0.0)
    (tmp_path / "file").write_text("in the way")
    paths = [tmp_path / name for name in ("a.wav", "file/b.wav", "c.wav")]
    recorders = [CallRecorder(path, PCMU_8K) for path in paths]

    def loud_samples(path: Path) -> int:
        return int(np.count_nonzero(channels(path)[0])) if path.exists() else 0

    for heard in (FRAME, 2 * FRAME):
        for recorder in recorders:
            recorder.heard(base64.b64encode(LOUD * FRAME).decode())
        await until(lambda heard=heard: [loud_samples(path) for path in paths[::2]] == [heard, heard])
    await asyncio.gather(*(recorder.close() for recorder in recorders))
    errors = [record for record in caplog.records if record.name == "calls.live.call_recorder"]
    assert [record.getMessage() for record in errors] == ["Writing a recording failed"]


@pytest.mark.virtual_time
async def test_audio_lost_with_a_broken_stream_is_not_recorded(tmp_path: Path) -> None:
    caller = ScriptedCaller()
    recorder = CallRecorder(tmp_path / "a.wav", PCMU_8K, asyncio.get_running_loop().time)
    connection = RecordedTransport(caller, recorder)
    listening = asyncio.create_task(drain(connection))
    await connection.send_audio(base64.b64encode(LOUD * 8 * 5000).decode())
    await asyncio.sleep(0.2)
    caller.incoming.put_nowait(LineBroken())
    await asyncio.sleep(0.3)
    await connection.send_audio(base64.b64encode(OTHER * 8 * 100).decode())
    await asyncio.sleep(0.15)
    caller.incoming.put_nowait(StreamStopped())
    await listening
    await recorder.close()
    assert loud_ms(channels(tmp_path / "a.wav")[1]) == [(0, 200), (500, 600)]


# --- through the exchange ---------------------------------------------------------------------------------------------
LOW, HIGH = tone(400, 1.5), tone(900, 1.0)
RTP = {"stream_bidirectional_mode": "rtp", "stream_bidirectional_target_legs": "self", "stream_codec": "PCMU"}


@pytest.fixture
async def platform() -> AsyncIterator[FakePlatform]:
    async with FakePlatform() as running:
        yield running


@pytest.fixture
async def exchange(platform: FakePlatform) -> AsyncIterator[Exchange]:
    async with Exchange(webhook_url=platform.webhook_url) as running:
        running.own(OWNED)
        yield running


def carrier_transport(stream: MediaConnection, frames: "asyncio.Queue[str | None]") -> CarrierTransport:
    """Our end of the carrier's media socket."""

    async def receive() -> dict[str, Any]:
        text = await frames.get()
        return {"type": "websocket.disconnect"} if text is None else {"type": "websocket.receive", "text": text}

    async def send(message: dict[str, Any]) -> None:
        await stream.socket.send_str(message["text"])

    return CarrierTransport(TelnyxMediaProtocol, receive, send)


async def drain(connection: RecordedTransport) -> None:
    async for frame in connection.frames():
        if isinstance(frame, StreamStopped):
            return


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def line_audio(pcm16: bytes) -> bytes:
    """The audio as it is sent over the line."""
    return pcm16_to_mulaw(pcm16)


def samples(mulaw: bytes) -> np.ndarray:
    return np.frombuffer(mulaw_to_pcm16(mulaw), "<i2")


def offset_of(sound: np.ndarray, channel: np.ndarray) -> int:
    """The offset of a sound in a channel, in samples."""
    offset = channel.astype("<i2").tobytes().find(sound.astype("<i2").tobytes())
    assert offset >= 0
    return offset // 2


def signal_to_noise_db(recorded: np.ndarray, sent: bytes) -> float:
    signal = np.frombuffer(sent, "<i2").astype(np.float64)
    noise = recorded.astype(np.float64) - signal
    return float(10 * np.log10((signal**2).sum() / (noise**2).sum()))


async def test_a_call_through_the_exchange_is_recorded_as_it_was_heard(
    platform: FakePlatform, exchange: Exchange, tmp_path: Path
) -> None:
    """Aligned within 40 ms, with a signal-to-noise ratio above 35 dB, and without the audio that was cleared."""
    frames: asyncio.Queue[str | None] = asyncio.Queue()

    async def on_frame(stream: MediaConnection, frame: dict[str, Any]) -> None:
        frames.put_nowait(orjson.dumps(frame).decode())

    platform.on_frame = on_frame
    caller = exchange.handset(CALLER, [Wait(0.5), Say(pcm16=LOW), Wait(30)])
    await exchange.call(caller, OWNED)
    call_id = (await platform.event("call.initiated", 20))["call_control_id"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {exchange.api_key}"}) as http:
        url = f"{exchange.base_url}/calls/{quote(call_id, safe='')}/actions/answer"
        answered = await http.post(url, json={"stream_url": platform.media_url(), **RTP})
        assert answered.status == 200
        transport = carrier_transport(await platform.stream(), frames)
        await transport.wait_for_start()
        recorder = CallRecorder(tmp_path / "call.wav", transport.audio_format)
        connection = RecordedTransport(transport, recorder)
        listening = asyncio.create_task(drain(connection))
        await asyncio.sleep(0.3)
        answer = base64.b64encode(line_audio(HIGH)).decode()
        await connection.send_audio(answer)
        await until(lambda: line_audio(HIGH) in b"".join(caller.heard))
        await connection.send_audio(answer)
        await asyncio.sleep(0.4)
        await connection.clear()
        await until(lambda: "said" in {event.kind for event in caller.events})
        await asyncio.sleep(0.3)
        caller.hang_up()
        await asyncio.wait_for(listening, 30)
        await recorder.close()
    left, right = channels(tmp_path / "call.wav")
    heard = samples(b"".join(caller.heard))
    spoke_at = next(event.at_seconds for event in caller.events if event.kind == "says")
    low, high = samples(line_audio(LOW)), samples(line_audio(HIGH))
    caller_shift = offset_of(low, left) / 8000 - spoke_at
    agent_shift = (offset_of(high, right) - offset_of(high, heard)) / 8000
    assert abs(caller_shift - agent_shift) <= 0.040
    assert signal_to_noise_db(left[offset_of(low, left) :][: len(low)], LOW) > 35
    assert signal_to_noise_db(right[offset_of(high, right) :][: len(high)], HIGH) > 35
    # The caller heard about 400 ms of the second answer.
    recorded_end, heard_end = np.flatnonzero(right)[-1], np.flatnonzero(heard)[-1]
    assert heard_end - offset_of(high, heard) < 1.9 * len(high)
    assert abs((recorded_end - heard_end) / 8000 - agent_shift) <= 0.040
