"""The exchange speaks and transcribes, with the TTS and the recognizer of the `offline` packages."""

import re
from collections.abc import AsyncIterator

import pytest
from telnyx import APIStatusError

from agents import speech
from bubblyphone.core.audio import Resampler
from sandbox.exchange.audio.recognizer import OfflineRecognizer
from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.handsets.steps import HangUp, Say, Wait
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED, answered, types
from tests.sandbox.exchange.platform import FakePlatform
from tests.sandbox.exchange.specification import Specification
from tests.sandbox.exchange.test_calls import code_of
from tests.sandbox.exchange.test_media_stream import until

RESERVATION = "I would like to make a reservation for two people."
GREETING = "Good morning, you have reached the flower shop."
PATIENCE_SECONDS = 30.0
needs_speech = pytest.mark.skipif(not speech.is_installed(), reason="the `offline` packages are not installed")


@pytest.fixture
async def talking(platform: FakePlatform, exchange: Exchange) -> AsyncIterator[Exchange]:
    """An exchange with TTS and a recognizer. It replaces the plain one, with the same key and port."""
    await exchange.stop()
    await speech.warm_up()
    talking = Exchange(
        webhook_url=platform.webhook_url,
        api_key=exchange.api_key,
        port=int(exchange.url.rpartition(":")[2]),
        tts=speech.say_8k,
        recognizer=OfflineRecognizer(),
    )
    async with talking:
        talking.own(OWNED)
        yield talking
    await speech.close()


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def recognized_share(spoken: str, understood: str) -> float:
    """The share of spoken words that were recognized."""
    return len(set(words(spoken)) & set(words(understood))) / len(set(words(spoken)))


async def understood(handset: ScriptedHandset) -> str:
    pcm16_16k = Resampler(8000, 16000).process(handset.heard_pcm16())
    return (await speech.transcribe(pcm16_16k)).text


async def until_final(platform: FakePlatform) -> list[dict]:
    """All results up to and including the first final one."""
    results: list[dict] = []
    while not results or not results[-1]["is_final"]:
        event = await platform.event("call.transcription", seconds=PATIENCE_SECONDS, count=len(results) + 1)
        results.append(event["transcription_data"])
    return results


@needs_speech
async def test_the_exchange_speaks_and_transcribes(talking, platform, telnyx):
    """Two calls in one test, because the models take seconds to load."""
    await _both_understand_each_other(talking, platform, telnyx)
    await until(lambda: platform.types()[-1] == "call.hangup")
    platform.events.clear()
    await _last_words_are_reported_after_the_call(talking, platform, telnyx)


async def _both_understand_each_other(talking, platform, telnyx) -> None:
    """Final and, if requested, interim results. The platform's own speech is not on the inbound track."""
    caller, call_id = await answered(talking, platform, telnyx, Wait(1.0), Say(text=RESERVATION))
    config = {"transcription_engine": "Google", "language": "nb", "interim_results": True}
    start = telnyx.calls.actions.start_transcription
    await start(call_id, transcription_engine="Google", transcription_engine_config=config)
    await telnyx.calls.actions.speak(call_id, payload=GREETING, voice="AWS.Polly.Joanna-Neural")
    with pytest.raises(APIStatusError) as twice:
        await start(call_id)
    assert code_of(twice.value) == (422, "90054")

    *interims, final = await until_final(platform)
    assert recognized_share(RESERVATION, final["transcript"]) >= 0.8
    assert "flower" not in final["transcript"].lower()
    assert 0.7 < final["confidence"] <= 1
    assert "transcription_track" not in final
    assert interims
    assert not any(result["is_final"] for result in interims)
    assert words(final["transcript"])[:2] == words(interims[-1]["transcript"])[:2]
    await telnyx.calls.actions.stop_transcription(call_id)
    await platform.event("call.speak.ended", seconds=PATIENCE_SECONDS)
    caller.hang_up()
    assert recognized_share(GREETING, await understood(caller)) >= 0.8


async def _last_words_are_reported_after_the_call(talking, platform, telnyx) -> None:
    """Both tracks are transcribed from the answer. The caller hangs up with the last syllable."""
    _, call_id = await answered(
        talking,
        platform,
        telnyx,
        Wait(0.3),
        Say(text=RESERVATION),
        HangUp(),
        transcription=True,
        transcription_config={
            "transcription_engine": "B",
            "transcription_engine_config": {"transcription_engine": "B"},
            "transcription_tracks": "both",
        },
    )
    result = await platform.event("call.transcription", seconds=PATIENCE_SECONDS)
    assert result["transcription_data"]["transcription_track"] == "inbound"
    assert recognized_share(RESERVATION, result["transcription_data"]["transcript"]) >= 0.8
    assert "from" not in result
    assert types(platform, call_id)[-2:] == ["call.hangup", "call.transcription"]
    Specification().check_webhook(platform.events[-1])


async def test_without_a_recognizer_transcription_is_refused(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.start_transcription(call_id)
    assert error.value.status_code == 501
    await telnyx.calls.actions.stop_transcription(call_id)
    caller.hang_up()
