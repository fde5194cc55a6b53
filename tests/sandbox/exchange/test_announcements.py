"""`speak` and `playback_start`: what the handset hears, in which order, and the events."""

import asyncio
import base64
import io
import wave

import numpy as np
import pytest
from aiohttp import web
from telnyx import APIStatusError

from bubblyphone.core.audio import mulaw_to_pcm16, pcm16_to_mulaw
from sandbox.exchange.audio.audio_queue import FRAME_BYTES
from sandbox.exchange.audio.audio_sources import plain_text
from sandbox.exchange.audio.tones import babble, is_speech, tone
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import CALLER, OWNED, answered, types
from tests.sandbox.exchange.platform import FakePlatform
from tests.sandbox.exchange.test_calls import code_of
from tests.sandbox.exchange.test_media_stream import RTP, until

pytestmark = pytest.mark.virtual_time

VOICE = "AWS.Polly.Joanna-Neural"
PITCHES = {"One.": 300, "Two.": 600, "Three.": 900}


async def voice(text: str) -> bytes:
    """A different tone for each sentence."""
    return tone(PITCHES[text], 0.3)


@pytest.fixture
async def exchange(platform: FakePlatform):
    async with Exchange(webhook_url=platform.webhook_url, tts=voice) as exchange:
        exchange.own(OWNED)
        yield exchange


def offset_in(handset, pcm16: bytes) -> int:
    """The sample, counted from the answer, at which exactly this audio was heard, or -1."""
    return b"".join(handset.heard).find(pcm16_to_mulaw(pcm16))


def wav(pcm16: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm16)
    return file.getvalue()


async def test_sentences_queue_and_are_reported(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    first = await telnyx.calls.actions.speak(call_id, payload="One. Two.", voice=VOICE, command_id="speak-1")
    assert first.data.result == "ok"
    await telnyx.calls.actions.speak(call_id, payload="One. Two.", voice=VOICE, command_id="speak-1")
    await telnyx.calls.actions.speak(call_id, payload="Three.", voice=VOICE, client_state="YQ==")
    ended = await platform.event("call.speak.ended", count=2)
    assert (ended["status"], ended["client_state"]) == ("completed", "YQ==")
    assert "from" not in ended
    at = [offset_in(caller, tone(PITCHES[text], 0.3)) for text in ("One.", "Two.", "Three.")]
    assert at[0] >= 0
    assert [at[1] - at[0], at[2] - at[1]] == [2400, 2400]  # without gaps
    assert types(platform, call_id)[2:] == [
        "call.speak.started",
        "call.speak.ended",
        "call.speak.started",
        "call.speak.ended",
    ]


async def test_a_text_without_words_starts_and_ends(exchange, platform, telnyx):
    _, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.speak(call_id, payload="<speak> </speak>", payload_type="ssml", voice=VOICE)
    assert (await platform.event("call.speak.ended"))["status"] == "completed"
    assert types(platform, call_id)[2:] == ["call.speak.started", "call.speak.ended"]


async def test_speak_can_replace_what_is_playing(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.speak(call_id, payload="One.", voice=VOICE, loop="infinity")
    await telnyx.calls.actions.speak(call_id, payload="Two.", voice=VOICE)
    await platform.event("call.speak.started")
    await telnyx.calls.actions.speak(call_id, payload="Three.", voice=VOICE, stop="all")
    await platform.event("call.speak.ended", count=2)
    assert offset_in(caller, tone(PITCHES["Two."], 0.3)) == -1
    assert offset_in(caller, tone(PITCHES["Three."], 0.3)) >= 0


async def test_speech_can_be_stopped(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.speak(call_id, payload="One.", voice=VOICE, loop=20)
    await telnyx.calls.actions.speak(call_id, payload="Two.", voice=VOICE)
    await platform.event("call.speak.started")
    await telnyx.calls.actions.stop_playback(call_id, stop="all")
    assert (await platform.event("call.speak.ended"))["status"] == "completed"
    heard = len(caller.heard)
    await asyncio.sleep(0.5)
    assert not any(map(is_speech, caller.heard[heard + 1 :]))
    assert types(platform, call_id).count("call.speak.started") == 1


async def test_the_call_ends_mid_sentence(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.speak(call_id, payload="One.", voice=VOICE, loop=20)
    await platform.event("call.speak.started")
    caller.hang_up()
    await platform.event("call.hangup")
    assert (await platform.event("call.speak.ended"))["status"] == "call_hangup"


async def test_speech_is_mixed_with_the_stream(exchange, platform, telnyx):
    """Two voices at the same time are both heard: the caller gets their sum."""
    caller, call_id = await answered(
        exchange, platform, telnyx, stream_url=platform.media_url(), stream_track="both_tracks", **RTP
    )
    stream = await platform.stream()
    await stream.wait_for("start")
    await stream.send_audio(pcm16_to_mulaw(tone(440, 2.0)))
    await until(lambda: any(map(is_speech, caller.heard)))
    await telnyx.calls.actions.speak(call_id, payload="Three.", voice=VOICE)
    await platform.event("call.speak.ended")
    heard = b"".join(frame for frame in caller.heard if is_speech(frame))
    sent = b"".join(
        base64.b64decode(frame["media"]["payload"])
        for frame in stream.of("media")
        if frame["media"]["track"] == "outbound"
    )
    assert heard[: 20 * FRAME_BYTES] in sent
    spectrum = np.abs(np.fft.rfft(np.frombuffer(mulaw_to_pcm16(heard), "<i2")))
    pitches = np.fft.rfftfreq(len(heard), 1 / 8000)
    loudest = sorted(
        round(float(pitches[near][spectrum[near].argmax()]), -1)
        for near in ((pitches > 300) & (pitches < 600), (pitches > 800) & (pitches < 1000))
    )
    assert loudest == [440, 900]
    around = (pitches > 890) & (pitches < 910)
    elsewhere = (pitches > 1000) & (pitches < 3000)
    assert spectrum[around].max() > 10 * spectrum[elsewhere].max()


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"payload": "a" * 3001}, 422, "90010", "/payload"),
        ({"payload": ""}, 422, "10004", "/payload"),
        ({"voice": None}, 422, "10004", "/voice"),
        ({"loop": "often"}, 422, "10015", "/loop"),
        ({"stop": "now"}, 422, "10015", "/stop"),
        ({"payload_type": "html"}, 422, "10015", "/payload_type"),
    ],
)
async def test_an_invalid_speak_command(exchange, platform, telnyx, change, status, code, pointer):
    _, call_id = await answered(exchange, platform, telnyx)
    body = {"payload": "One.", "voice": VOICE} | change
    with pytest.raises(APIStatusError) as error:
        await telnyx.post(f"/calls/{call_id}/actions/speak", body=body, cast_to=object)
    assert code_of(error.value) == (status, code)
    assert error.value.body["errors"][0]["source"]["pointer"] == pointer


async def test_speak_before_the_answer(exchange, platform, telnyx):
    await exchange.call(exchange.handset(CALLER), OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.speak(call_id, payload="One.", voice=VOICE)
    assert code_of(error.value) == (422, "90034")


async def test_without_a_voice_tones_are_played(platform, telnyx, exchange, caplog):
    async with Exchange(webhook_url=platform.webhook_url, api_key=exchange.api_key) as without_voice:
        without_voice.own(OWNED)
        caller, call_id = await answered(without_voice, platform, telnyx.with_options(base_url=without_voice.base_url))
        await telnyx.with_options(base_url=without_voice.base_url).calls.actions.speak(
            call_id, payload="Hello you", voice=VOICE
        )
        await platform.event("call.speak.ended")
        assert offset_in(caller, babble("Hello you")) >= 0
    assert "no voice is installed" in caplog.text
    assert len(babble("word " * 150)) / 16000 == pytest.approx(45, rel=0.2)  # 200 words per minute


def test_ssml_is_spoken_without_its_tags():
    ssml = '<speak>Salt &amp; <break time="1s"/><emphasis>pepper</emphasis></speak>'
    assert plain_text(ssml, "ssml") == "Salt & pepper"
    assert plain_text("1 < 2 > 0", "text") == "1 < 2 > 0"


async def test_a_file_is_played(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    content = base64.b64encode(wav(tone(500, 0.2))).decode()
    await telnyx.calls.actions.start_playback(call_id, playback_content=content, audio_type="wav", loop=2)
    assert (await platform.event("call.playback.ended"))["status"] == "completed"
    assert offset_in(caller, tone(500, 0.2) * 2) >= 0
    assert (await platform.event("call.playback.started"))["overlay"] is False


async def test_a_file_is_fetched(exchange, platform, telnyx):
    """A stereo file at 24 kHz. The events contain its URL."""
    caller, call_id = await answered(exchange, platform, telnyx)

    async def file(request: web.Request) -> web.Response:
        sound = tone(250, 0.3)  # played at 24 kHz, this is 0.1 s of 750 Hz
        stereo = b"".join(sound[start : start + 2] * 2 for start in range(0, len(sound), 2))
        return web.Response(body=wav(stereo, 24000, 2)) if request.path == "/tone.wav" else web.Response(status=404)

    app = web.Application()
    app.add_routes([web.get("/{name}", file)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        await telnyx.calls.actions.start_playback(call_id, audio_url=f"{address}/tone.wav")
        ended = await platform.event("call.playback.ended")
        assert (ended["status"], ended["media_url"]) == ("completed", f"{address}/tone.wav")
        assert 4 <= sum(map(is_speech, caller.heard)) <= 6
        await telnyx.calls.actions.start_playback(call_id, audio_url=f"{address}/none.wav")
        assert (await platform.event("call.playback.ended", count=2))["status"] == "file_not_found"
        await telnyx.calls.actions.start_playback(call_id, playback_content=base64.b64encode(b"ID3\x04").decode())
        failed = await platform.event("call.playback.ended", count=3)
        assert (failed["status"], failed["status_detail"]) == (
            "failed",
            "The built-in exchange plays 16-bit WAV files only.",
        )
        assert types(platform, call_id).count("call.playback.started") == 1
    finally:
        await runner.cleanup()
