"""The media WebSocket: what the platform hears, what the handset hears, and when."""

import asyncio
import base64
from collections.abc import Callable

import numpy as np
import pytest
from telnyx import APIStatusError

from bubblyphone.core.audio import alaw_to_pcm16, mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES, SILENCE, AudioQueue
from sandbox.exchange.audio.tones import is_speech, tone
from sandbox.exchange.handsets.steps import Say, Wait
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform, MediaConnection

pytestmark = pytest.mark.virtual_time

CALLER = "+12025550123"
LONDON = "+442079460958"
RTP = {"stream_bidirectional_mode": "rtp", "stream_bidirectional_target_legs": "self", "stream_codec": "PCMU"}


async def connect(exchange, platform, telnyx, *steps, caller=CALLER, **stream):
    """An answered call with a media stream: the caller's handset, the call's ID, and the platform's end of the stream."""
    handset = exchange.handset(caller, steps)
    await exchange.call(handset, OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    await telnyx.calls.actions.answer(call_id, stream_url=platform.media_url(), **(RTP | stream))
    connection = await platform.stream()
    await connection.wait_for("start")
    return handset, call_id, connection


async def echo(connection: MediaConnection, frame: dict) -> None:
    if frame["event"] == "media":
        await connection.send({"event": "media", "media": {"payload": frame["media"]["payload"]}})


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until a condition is true, however slow the machine is."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_stream_starts_with_the_facts_of_its_call(exchange, platform: FakePlatform, telnyx):
    _, call_id, connection = await connect(exchange, platform, telnyx)
    hello, start = connection.frames[:2]
    assert hello == {"event": "connected", "version": "1.0.0"}
    assert start["event"] == "start"
    assert start["sequence_number"] == "1"
    initiated = await platform.event("call.initiated")
    assert start["start"] == {
        "user_id": start["start"]["user_id"],
        "call_control_id": call_id,
        "call_session_id": initiated["call_session_id"],
        "from": CALLER,
        "to": OWNED,
        "client_state": None,
        "tags": [],
        "custom_parameters": {},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    }
    first, second = (await connection.wait_for("media", 2))[:2]
    assert first["media"] == {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": first["media"]["payload"]}
    assert len(base64.b64decode(first["media"]["payload"])) == FRAME_BYTES
    assert (second["media"]["chunk"], second["media"]["timestamp"]) == ("2", "20")
    assert second["stream_id"] == start["stream_id"]
    started = await platform.event("streaming.started")
    assert started["stream_url"] == platform.media_url()
    assert "from" not in started


async def test_audio_is_unchanged_in_both_directions(exchange, platform, telnyx):
    sine = tone(440, 1.0)
    coded = pcm16_to_mulaw(sine)
    handset, _, connection = await connect(exchange, platform, telnyx, Wait(0.2), Say(pcm16=sine))
    await connection.send_audio(coded)
    await until(lambda: coded in connection.audio() and coded in b"".join(handset.heard))


async def test_an_echo_frame_by_frame_loses_nothing(exchange, platform, telnyx):
    """Frames that arrive just in time may be played with gaps if the machine is slow, but all of them are played."""
    platform.on_frame = echo
    sine = tone(440, 1.0)
    handset, _, _ = await connect(exchange, platform, telnyx, Wait(0.2), Say(pcm16=sine))
    await until(lambda: b"".join(frame for frame in handset.heard if frame != SILENCE) == pcm16_to_mulaw(sine))


async def test_frames_are_sent_on_time(exchange, platform, telnyx):
    """Three seconds of frames: none is missing, and each is within 40 ms of its time."""
    _, _, connection = await connect(exchange, platform, telnyx)
    await connection.wait_for("media", 500, seconds=15)
    times = [at for at, frame in zip(connection.arrivals, connection.frames, strict=True) if frame["event"] == "media"]
    lateness = [at - times[0] - index * 0.02 for index, at in enumerate(times)]
    # The best three of ten seconds count, because this process shares the machine with others. A clock that drifts
    # would show in every window.
    windows = [lateness[start : start + 150] for start in range(0, len(lateness) - 150, 25)]
    assert min(max(map(abs, window)) for window in windows) < 0.04
    assert abs(min(lateness[-150:]) - min(lateness[:150])) < 0.04
    assert [int(frame["media"]["chunk"]) for frame in connection.of("media")][:500] == list(range(1, 501))


async def test_a_mark_returns_when_its_audio_has_been_played(exchange, platform, telnyx):
    _, _, connection = await connect(exchange, platform, telnyx)
    await connection.send({"event": "mark", "mark": {"name": "idle"}})
    await connection.wait_for("mark", seconds=1)
    await connection.send_audio(b"\x00" * FRAME_BYTES * 25)  # half a second
    await connection.send({"event": "mark", "mark": {"name": "half"}})
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    marks = await connection.wait_for("mark", 2)
    assert loop.time() - sent_at == pytest.approx(0.5, abs=0.041)
    assert [frame["mark"]["name"] for frame in marks] == ["idle", "half"]


async def test_clear_drops_the_queue_and_returns_all_marks(exchange, platform, telnyx):
    handset, _, connection = await connect(exchange, platform, telnyx)
    for name in ("one", "two"):
        await connection.send_audio(b"\x00" * FRAME_BYTES * 100)
        await connection.send({"event": "mark", "mark": {"name": name}})
    await until(lambda: any(map(is_speech, handset.heard)))
    await connection.send({"event": "clear"})
    marks = await connection.wait_for("mark", 2)
    heard = len(handset.heard)
    assert [frame["mark"]["name"] for frame in marks] == ["one", "two"]
    await until(lambda: len(handset.heard) >= heard + 10)
    # Of 200 queued frames. However late the clear arrives, nothing is heard after it.
    assert 0 < sum(map(is_speech, handset.heard)) < 200
    assert set(handset.heard[heard + 1 :]) == {SILENCE}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 100003),
        ("[1]", 100003),
        ('{"event": "dance"}', 100003),
        ('{"event": "mark"}', 100003),
        ('{"event": "media"}', 100004),
        ('{"event": "media", "media": {"payload": "%%%"}}', 100004),
        ('{"event": "media", "media": {"payload": "AAAA"}}', 100004),
    ],
)
async def test_invalid_frames(exchange, platform, telnyx, text, code):
    _, call_id, connection = await connect(exchange, platform, telnyx)
    await connection.socket.send_str(text)
    error = (await connection.wait_for("error"))[0]
    assert error["payload"]["code"] == code
    assert (await telnyx.calls.retrieve_status(call_id)).data.is_alive is True


async def test_mp3_mode_plays_no_raw_audio(exchange, platform, telnyx):
    handset, _, connection = await connect(exchange, platform, telnyx, stream_bidirectional_mode="mp3")
    await connection.send_audio(b"\x00" * FRAME_BYTES)
    assert (await connection.wait_for("error"))[0]["payload"]["title"] == "invalid_media"
    assert set(handset.heard) <= {SILENCE}


async def test_with_target_opposite_the_caller_hears_nothing(exchange, platform, telnyx):
    handset, _, connection = await connect(exchange, platform, telnyx, stream_bidirectional_target_legs="opposite")
    await connection.send_audio(b"\x00" * FRAME_BYTES * 10)
    await asyncio.sleep(0.4)
    assert set(handset.heard) == {SILENCE}


async def test_a_british_line_uses_a_law(exchange, platform, telnyx):
    sine = tone(440, 0.5)
    _, _, connection = await connect(
        exchange,
        platform,
        telnyx,
        Say(pcm16=sine),
        caller=LONDON,
        stream_codec="default",
        stream_bidirectional_codec="PCMA",
    )
    assert connection.of("start")[0]["start"]["media_format"]["encoding"] == "PCMA"
    await connection.wait_for("media", 30)
    heard = np.frombuffer(alaw_to_pcm16(connection.audio()), "<i2").astype(float)
    loud = heard[np.flatnonzero(np.abs(heard) > 500)[0] :][:3000]
    spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud))))
    assert abs(np.argmax(spectrum) * 8000 / len(loud) - 440) < 4


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
async def test_l16_both_ways(exchange, platform, telnyx, rate):
    """The platform echoes a tone: both ends hear the tone that was said."""
    platform.on_frame = echo
    sine = tone(440, 0.6)
    handset = exchange.handset(CALLER, [Wait(0.4), Say(pcm16=sine), Wait(0.4)])
    await exchange.call(handset, OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    await telnyx.calls.actions.answer(call_id)
    await telnyx.calls.actions.start_streaming(
        call_id,
        stream_url=platform.media_url(),
        stream_codec="L16",
        stream_bidirectional_mode="rtp",
        stream_bidirectional_codec="L16",
        stream_bidirectional_sampling_rate=rate,
        stream_bidirectional_target_legs="self",
        stream_auth_token="one-time-token",
        custom_parameters=[{"name": "call_id", "value": "46"}],
    )
    connection = await platform.stream()
    start = (await connection.wait_for("start"))[0]["start"]
    assert connection.headers["x-telnyx-streaming-auth-token"] == "one-time-token"
    assert connection.frames[0]["connected"] == {"x-telnyx-streaming-auth-token": "one-time-token"}
    assert start["custom_parameters"] == {"call_id": "46"}
    assert start["media_format"] == {"encoding": "L16", "sample_rate": rate, "channels": 1}
    await asyncio.sleep(1.6)
    for pcm, pcm_rate in ((connection.audio(), rate), (mulaw_to_pcm16(b"".join(handset.heard)), 8000)):
        heard = np.frombuffer(pcm, "<i2").astype(float)
        loud = heard[np.flatnonzero(np.abs(heard) > 2000)[0] :][: pcm_rate // 2]
        spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud))))
        assert abs(np.argmax(spectrum) * pcm_rate / len(loud) - 440) < 4
        assert 7000 < np.percentile(np.abs(loud), 99) < 9000


async def test_dtmf_reaches_the_stream(exchange, platform, telnyx):
    handset, _, connection = await connect(exchange, platform, telnyx)
    handset.line.press("5")
    frame = (await connection.wait_for("dtmf"))[0]
    assert frame["dtmf"] == {"digit": "5"}
    assert frame["occurred_at"].endswith("Z")


async def test_the_end_of_the_call_ends_the_stream(exchange, platform, telnyx):
    _, call_id, connection = await connect(exchange, platform, telnyx)
    await telnyx.calls.actions.hangup(call_id)
    stop = (await connection.wait_for("stop"))[0]
    assert stop["stop"]["call_control_id"] == call_id
    assert (await platform.event("call.hangup"))["hangup_source"] == "callee"
    assert platform.types() == [
        "call.initiated",
        "call.answered",
        "streaming.started",
        "streaming.stopped",
        "call.hangup",
    ]
    assert int(stop["sequence_number"]) == int(connection.frames[-2]["sequence_number"]) + 1


async def test_no_server_at_the_stream_url(exchange, platform, telnyx):
    handset = exchange.handset(CALLER)
    await exchange.call(handset, OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    await telnyx.calls.actions.answer(call_id, stream_url="ws://127.0.0.1:9/none", **RTP)
    failed = await platform.event("streaming.failed")
    assert failed["failure_reason"] == "connection_failed"
    assert failed["stream_params"] == {"stream_url": "ws://127.0.0.1:9/none", "track": "inbound_track"}
    assert (await telnyx.calls.retrieve_status(call_id)).data.is_alive is True


@pytest.mark.parametrize(("code", "event"), [(1000, "streaming.stopped"), (1011, "streaming.failed")])
async def test_a_call_survives_its_stream_and_can_start_another(exchange, platform, telnyx, code, event):
    handset, call_id, connection = await connect(exchange, platform, telnyx)
    await connection.socket.close(code=code)
    await platform.event(event)
    with pytest.raises(APIStatusError):
        await telnyx.calls.actions.stop_streaming(call_id)
    await telnyx.calls.actions.start_streaming(call_id, stream_url=platform.media_url("again"), **RTP)
    second = await platform.stream(2)
    await second.wait_for("media", 5)
    await second.send_audio(b"\x00" * FRAME_BYTES * 5)
    await until(lambda: any(map(is_speech, handset.heard)))
    await telnyx.calls.actions.stop_streaming(call_id)
    await second.wait_for("stop")
    assert handset.line is not None


async def test_a_broken_connection_ends_only_the_stream(exchange, platform, telnyx):
    handset, call_id, _ = await connect(exchange, platform, telnyx)
    await exchange.switch.legs[call_id].stream.abort()
    assert (await platform.event("streaming.failed"))["failure_reason"] == "connection_lost"
    assert handset.line is not None


def test_playback_waits_for_a_second_frame_or_a_tick():
    playout = AudioQueue()
    loud = b"\x00" * FRAME_BYTES
    playout.write(loud)
    assert [playout.next_frame() for _ in range(3)] == [SILENCE, loud, SILENCE]
    playout.write(loud * 2)
    assert [playout.next_frame() for _ in range(3)] == [loud, loud, SILENCE]
    playout.write(loud[:80])
    assert [playout.next_frame() for _ in range(2)] == [SILENCE, loud[:80] + SILENCE[80:]]
