"""<Gather>: keys, and speech with a scripted recognizer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agents.speech import SpeechBegan, Transcription, Utterance
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import Press, Say, Wait, WaitForSpeech
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.twilio.conftest import ACCOUNT_SID, AUTH_TOKEN, OWNED
from tests.sandbox.exchange.twilio.test_calls import ring

pytestmark = pytest.mark.virtual_time
SHORTEST_WORD_SECONDS = 0.6


class SpeechListener:
    """Speech starts with the first loud frame and ends with the next silent one. The text is its length; a short sound has none."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[SpeechBegan | Utterance] = asyncio.Queue()
        self._seconds = 0.0

    def feed(self, pcm16_16k: bytes) -> None:
        is_loud = any(pcm16_16k)
        if is_loud and self._seconds == 0:
            self._events.put_nowait(SpeechBegan())
        if not is_loud and self._seconds > 0:
            text = f"{self._seconds:.1f} seconds" if self._seconds >= SHORTEST_WORD_SECONDS else ""
            self._events.put_nowait(Utterance(text, 0.93, 200))
            self._seconds = 0.0
        if is_loud:
            self._seconds += len(pcm16_16k) / 32000

    async def events(self) -> AsyncIterator[SpeechBegan | Utterance]:
        while True:
            yield await self._events.get()

    async def close(self) -> None: ...


class Recognizer:
    def listen(self) -> SpeechListener:
        return SpeechListener()

    async def transcribe(self, pcm16_16k: bytes) -> Transcription:
        return Transcription("a table", 0.5)


@pytest.fixture
async def listening(platform) -> AsyncIterator[Exchange]:
    async with Exchange(twilio_accounts={ACCOUNT_SID: AUTH_TOKEN}, recognizer=Recognizer()) as exchange:
        exchange.twilio.own(OWNED, ACCOUNT_SID, voice_url=platform.url("voice"))
        yield exchange


def gather_twiml(platform, attributes: str, prompt: str = "") -> str:
    platform.documents["heard"] = "<Response><Hangup/></Response>"
    gather = f"<Gather action='{platform.url('heard')}' {attributes}>{prompt}</Gather>"
    return f"<Response>{gather}<Play digits='0'/></Response>"


@pytest.mark.parametrize(
    ("pressed", "attributes", "digits"),
    [("123#", "", "123"), ("45", "numDigits='2'", "45"), ("6", "timeout='1'", "6"), ("1*2", "finishOnKey='*'", "1")],
)
async def test_keys(exchange, platform, pressed, attributes, digits):
    caller = await ring(exchange, platform, Wait(0.3), Press(pressed), voice=gather_twiml(platform, attributes))
    assert (await platform.request("heard"))["Digits"] == digits
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == ""


async def test_silence_continues_with_the_next_verb(exchange, platform):
    caller = await ring(exchange, platform, voice=gather_twiml(platform, "timeout='1'"))
    assert await caller.finished() == "normal_clearing"
    assert (caller.digits, platform.of("heard")) == ("0", [])


async def test_silence_can_be_a_result(exchange, platform):
    await ring(exchange, platform, voice=gather_twiml(platform, "timeout='1' actionOnEmptyResult='true'"))
    heard = await platform.request("heard")
    assert ("Digits" in heard, "SpeechResult" in heard) == (False, False)


async def test_speech_interrupts_the_prompt_and_is_reported_partially_and_finally(listening, platform):
    attributes = f"input='speech' speechTimeout='auto' partialResultCallback='{platform.url('part')}'"
    prompt = "<Say loop='0'>What can I do for you?</Say>"
    voice = gather_twiml(platform, attributes, prompt)
    caller = await ring(listening, platform, WaitForSpeech(100), Say(pcm16=tone(300, 1.5)), Wait(0.2), voice=voice)
    heard = await platform.request("heard")
    assert (heard["SpeechResult"], heard["Confidence"]) == ("1.5 seconds", "0.93")
    part = await platform.request("part")
    assert (part["UnstableSpeechResult"], part["SequenceNumber"], part["CallSid"]) == ("a table", "0", heard["CallSid"])
    assert await caller.finished() == "normal_clearing"


async def test_a_person_who_begins_in_the_last_moment_is_heard_to_the_end(listening, platform):
    """The first partial result of what they say comes after the timeout."""
    voice = gather_twiml(platform, "input='speech' timeout='1'")
    await ring(listening, platform, Wait(0.8), Say(pcm16=tone(300, 1.0)), Wait(0.2), voice=voice)
    assert (await platform.request("heard"))["SpeechResult"] == "1.0 seconds"


@pytest.mark.parametrize("begins_at", [0.8, 0.3])  # with 0.3, it ends before the timeout and has a partial result
async def test_a_sound_without_words_ends_with_an_empty_result(listening, platform, begins_at):
    voice = gather_twiml(platform, "input='speech' timeout='1' actionOnEmptyResult='true'")
    caller = await ring(listening, platform, Wait(begins_at), Say(pcm16=tone(300, 0.5)), Wait(30), voice=voice)
    began = asyncio.get_running_loop().time()
    assert "SpeechResult" not in await platform.request("heard")
    assert asyncio.get_running_loop().time() - began < 3
    assert await caller.finished() == "normal_clearing"


async def test_without_a_recognizer_speech_is_refused(exchange, platform, twilio):
    caller = await ring(exchange, platform, voice=gather_twiml(platform, "input='speech'"))
    assert await caller.finished() == "normal_clearing"
    (notification,) = await twilio(lambda client: client.notifications.list())
    assert notification.error_code == "12100"
