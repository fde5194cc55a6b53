"""Gemini Live sessions against a loopback server that speaks the vendor's protocol."""

import pytest

from agents.model_catalog.model_capabilities import Capabilities
from agents.providers.base import ProviderError, ToolSpec, Turn
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    ToolCall,
    ToolCallsCanceled,
    TurnDone,
)
from bubblyphone.core.audio import PCM16_16K, PCM16_24K
from tests.agents.providers.gemini_sessions import open_session
from tests.agents.providers.sounds import pcm_frames, tone
from tests.fakes.gemini_live import FakeGemini, Reply, Script

pytestmark = pytest.mark.virtual_time

THINKS = Capabilities(reasoning_efforts=("minimal", "low"))
WEATHER = ToolSpec("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
SPEECH = pcm_frames(200, loud=True) + pcm_frames(300, loud=False)


async def test_the_session_is_configured_as_requested() -> None:
    history = (Turn("user", "Hello?"), Turn("model", "Good morning."))
    async with FakeGemini() as fake:
        async with await open_session(
            fake, voice="Aoede", language="de-DE", capabilities=THINKS, tools=(WEATHER,), history=history
        ) as reading:
            assert (reading.session.input_format, reading.session.output_format) == (PCM16_16K, PCM16_24K)
            await reading.until(lambda: len(fake.received) == 2)
        assert fake.headers[0]["x-goog-api-key"] == "platform-key"
        assert dict(fake.queries[0]) == {}
        assert fake.setups() == [
            {
                "model": "models/gemini-3.1-flash-live-preview",
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {
                        "languageCode": "de-DE",
                        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Aoede"}},
                    },
                    "thinkingConfig": {"thinkingLevel": "MINIMAL"},
                },
                "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
                "tools": [
                    {
                        "functionDeclarations": [
                            {
                                "name": "get_weather",
                                "description": "Weather of a city",
                                "parametersJsonSchema": {
                                    "type": "object",
                                    "properties": {"city": {"type": "string"}},
                                },
                            }
                        ]
                    }
                ],
                "inputAudioTranscription": {},
                "outputAudioTranscription": {},
                "realtimeInputConfig": {
                    "automaticActivityDetection": {"prefixPaddingMs": 20, "silenceDurationMs": 500},
                    "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
                    "turnCoverage": "TURN_INCLUDES_ONLY_ACTIVITY",
                },
                "sessionResumption": {},
                "contextWindowCompression": {"slidingWindow": {}},
                "historyConfig": {"initialHistoryInClientContent": True},
            }
        ]
        assert fake.received[1] == {
            "clientContent": {
                "turns": [
                    {"role": "user", "parts": [{"text": "Hello?"}]},
                    {"role": "model", "parts": [{"text": "Good morning."}]},
                ],
                "turnComplete": True,
            }
        }
        assert fake.rejected == []


async def test_features_that_a_model_lacks_are_not_requested() -> None:
    async with FakeGemini() as fake:
        async with await open_session(fake, upstream_model="gemini-3.1-some-other") as reading:
            assert reading.session.speaks_during_tools is False
        assert fake.setups()[0]["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": {}}


async def test_a_model_that_can_speak_during_tools_gets_non_blocking_functions() -> None:
    async with FakeGemini() as fake:
        can = Capabilities(async_tools=True)
        async with await open_session(fake, tools=(WEATHER,), capabilities=can) as reading:
            assert reading.session.speaks_during_tools is True
        assert fake.setups()[0]["tools"][0]["functionDeclarations"][0]["behavior"] == "NON_BLOCKING"


@pytest.mark.parametrize(("choice", "value"), [("voice", "marin"), ("language", "xx-XX")])
async def test_an_error_names_the_refused_voice_or_language(choice: str, value: str) -> None:
    async with FakeGemini() as fake:
        with pytest.raises(ProviderError) as refusal:
            await open_session(fake, **{choice: value})
    assert (refusal.value.refused, refusal.value.retryable) == (choice, False)


async def test_the_greeting_and_an_answer_are_spoken() -> None:
    greeting = tone(24000, 300)
    script = Script(
        [Reply(greeting, "Hello there."), Reply(tone(24000, 200), "Nine to five.", hears="What are your hours?")]
    )
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Greet the caller.")
        await reading.until_seen(TurnDone)
        assert reading.audio == greeting
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone, 2)
        events = [event for event in reading.events if not isinstance(event, AudioDelta)]
        assert events == [
            OutputTranscript("turn_1", "Hello there."),
            TurnDone(),
            InputTranscript("What are your hours?"),
            OutputTranscript("turn_2", "Nine to five."),
            TurnDone(),
        ]
        assert {event.item_id for event in reading.of(AudioDelta)} == {"turn_1", "turn_2"}
        assert b"".join(fake.caller_audio) == tone(16000, 200) + bytes(32 * 300)
        assert fake.messages("realtimeInput") == [{"realtimeInput": {"text": "Greet the caller."}}]
        assert fake.rejected == []


async def test_barge_in_drops_the_rest() -> None:
    script = Script(
        [Reply(tone(24000, 5000), "A very long story"), Reply(tone(24000, 80), "Yes?", hears="Stop")], speed=2
    )
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone, 2)
        started = reading.events.index(SpeechStarted())
        assert [event for event in reading.events[started:] if not isinstance(event, AudioDelta)] == [
            SpeechStarted(),
            OutputTranscript("turn_1", "A very long story"[: len(reading.of(OutputTranscript)[0].text)]),
            TurnDone(),
            InputTranscript("Stop"),
            OutputTranscript("turn_2", "Yes?"),
            TurnDone(),
        ]
        assert {event.item_id for event in reading.events[started:] if isinstance(event, AudioDelta)} == {"turn_2"}
        await reading.session.truncate("turn_1", 200)
        assert fake.rejected == []


@pytest.mark.parametrize("is_taken", [True, False])
async def test_an_interruption_goes_to_the_sink_or_the_reader(is_taken: bool) -> None:
    script = Script([Reply(tone(24000, 5000), "A very long story")], speed=2)
    sounds, began = list[str](), list[int]()

    def play(item_id: str, payload: str) -> bool:
        sounds.append(payload)
        return True

    def begin() -> bool:
        began.append(len(sounds))
        return is_taken

    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        reading.session.audio_sink, reading.session.speech_sink = play, begin
        await reading.session.generate_reply("Tell a story.")
        await reading.until(lambda: len(sounds) >= 3)
        await reading.say(pcm_frames(100, loud=True))
        await reading.until_seen(TurnDone)
        assert began == [len(sounds)]  # the rest is dropped
        assert reading.of(SpeechStarted) == [SpeechStarted()] * (not is_taken)


async def test_unfinished_speech_is_known_when_the_session_closes() -> None:
    script = Script([Reply(tone(24000, 3000), "It is raining and will rain all day.")], speed=2)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.session.close()
        ((unfinished),) = reading.session.unfinished()
        assert (unfinished.item_id, unfinished.text[:13]) == ("turn_1", "It is raining")
        assert (reading.of(OutputTranscript), reading.session.unfinished()) == ([], [])


async def test_parallel_tool_calls_are_answered() -> None:
    calls = (("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"}))
    script = Script([Reply(tone(24000, 40), "Moment.", tool_calls=calls), Reply(tone(24000, 40), "Sunny and snow.")])
    async with FakeGemini(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(ToolCall, 2)
        assert reading.of(OutputTranscript) == [OutputTranscript("turn_1", "Moment.")]
        first, second = reading.of(ToolCall)
        assert (first.name, first.arguments, second.arguments) == ("get_weather", {"city": "Rome"}, {"city": "Oslo"})
        await reading.session.send_tool_result(second.call_id, "get_weather", {"sky": "snow"})
        await reading.session.send_tool_result(first.call_id, "get_weather", {"error": "time-out"})
        await reading.until_seen(TurnDone)
        assert [each["toolResponse"]["functionResponses"][0] for each in fake.messages("toolResponse")] == [
            {"id": second.call_id, "name": "get_weather", "response": {"sky": "snow"}},
            {"id": first.call_id, "name": "get_weather", "response": {"error": "time-out"}},
        ]
        assert [each.text for each in reading.of(OutputTranscript)] == ["Moment.", "Sunny and snow."]
        assert fake.rejected == []


async def test_a_canceled_tool_call_is_not_answered() -> None:
    script = Script(
        [Reply(tool_calls=(("get_weather", {}),)), Reply(tone(24000, 40), "Never mind.", hears="Forget it")]
    )
    async with FakeGemini(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(ToolCall)
        call_id = reading.of(ToolCall)[0].call_id
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone)
        assert reading.of(ToolCallsCanceled) == [ToolCallsCanceled((call_id,))]
        await reading.session.send_tool_result(call_id, "get_weather", {"sky": "blue"})
        await reading.session.send_context("Still here.")
        await reading.until(lambda: len(fake.messages("realtimeInput")) == 2)
        assert fake.messages("toolResponse") == []
        assert fake.messages("realtimeInput")[1] == {"realtimeInput": {"text": "Context update: Still here."}}


@pytest.mark.parametrize(
    ("sensitivity", "wire"), [("low", "START_SENSITIVITY_LOW"), ("high", "START_SENSITIVITY_HIGH")]
)
async def test_interruption_sensitivity_is_a_setting(sensitivity: str, wire: str) -> None:
    async with FakeGemini() as fake:
        async with await open_session(fake, settings={"interruption_sensitivity": sensitivity, "interruptible": False}):
            pass
        input_config = fake.setups()[0]["realtimeInputConfig"]
        assert input_config["automaticActivityDetection"]["startOfSpeechSensitivity"] == wire
        assert input_config["activityHandling"] == "NO_INTERRUPTION"


async def test_invalid_messages_are_ignored() -> None:
    script = Script([Reply(tone(24000, 40), "Fine.")], nonsense=True)
    async with FakeGemini(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Speak.")
        await reading.until_seen(TurnDone)
        assert reading.audio == tone(24000, 40)
        assert len(reading.of(AudioDelta)) == 1
        assert reading.of(OutputTranscript) == [OutputTranscript("turn_1", "Fine.")]
