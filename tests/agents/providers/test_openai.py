"""OpenAI Realtime sessions against a loopback server that speaks the vendor's protocol."""

import asyncio

import pytest

from agents.cues import Cue, whispered
from agents.providers.base import ToolSpec, Turn
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from bubblyphone.core.audio import PCM16_16K, PCM16_24K, PCMA_8K, PCMU_8K, AudioFormat, mulaw_to_pcm16
from tests.agents.providers.openai_sessions import open_session
from tests.agents.providers.sounds import mulaw_frames, tone
from tests.fakes.openai_realtime import FakeOpenAI, Reply, Script

pytestmark = pytest.mark.virtual_time

WEATHER = ToolSpec("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
SPEECH = mulaw_frames(200, loud=True) + mulaw_frames(300, loud=False)


async def test_the_session_is_configured_as_requested() -> None:
    history = (Turn("user", "Hello?"), Turn("model", "Good morning."))
    async with FakeOpenAI() as fake:
        async with await open_session(fake, voice="cedar", language="de", tools=(WEATHER,), history=history) as reading:
            await reading.until(lambda: len(fake.received) == 3)
        assert fake.headers[0]["Authorization"] == "Bearer sk-platform"
        assert "OpenAI-Beta" not in fake.headers[0]
        assert dict(fake.queries[0]) == {"model": "gpt-realtime-2"}
        assert fake.received[0]["session"] == {
            "type": "realtime",
            "instructions": "Be brief.",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "gpt-4o-mini-transcribe", "language": "de"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"},
            },
            "tools": [
                {
                    "type": "function",
                    "name": "get_weather",
                    "description": "Weather of a city",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                }
            ],
            "tool_choice": "auto",
        }
        assert [message["item"] for message in fake.received[1:]] == [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Good morning."}]},
        ]
        assert fake.rejected == []


@pytest.mark.parametrize(
    ("caller", "wire"), [(PCMU_8K, PCMU_8K), (PCMA_8K, PCMA_8K), (PCM16_24K, PCM16_24K), (PCM16_16K, PCM16_24K)]
)
async def test_the_caller_s_format_passes_through_if_the_vendor_supports_it(
    caller: AudioFormat, wire: AudioFormat
) -> None:
    async with FakeOpenAI() as fake, await open_session(fake, caller_format=caller) as reading:
        assert (reading.session.input_format, reading.session.output_format) == (wire, wire)


async def test_the_greeting_and_an_answer_are_spoken() -> None:
    script = Script(
        [
            Reply(tone(24000, 300), "Hello there."),
            Reply(tone(24000, 200), "Nine to five.", hears="What are your hours?"),
        ]
    )
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Greet the caller.")
        await reading.until_seen(TurnDone)
        greeting = reading.audio
        assert len(greeting) == 8 * 300
        assert max(abs(value) for value in memoryview(mulaw_to_pcm16(greeting)).cast("h")) == pytest.approx(
            8000, rel=0.05
        )
        await reading.say(SPEECH)
        await reading.until_seen(TurnDone, 2)
        assert [type(event) for event in reading.events if not isinstance(event, AudioDelta)] == [
            OutputTranscript,
            TurnDone,
            SpeechStarted,
            SpeechStopped,
            InputTranscript,
            OutputTranscript,
            TurnDone,
        ]
        assert reading.of(InputTranscript) == [InputTranscript("What are your hours?")]
        assert [each.text for each in reading.of(OutputTranscript)] == ["Hello there.", "Nine to five."]
        assert {each.item_id for each in reading.of(OutputTranscript)} == {
            each.item_id for each in reading.of(AudioDelta)
        }
        assert fake.messages("response.create")[0]["response"] == {"instructions": "Greet the caller."}
        assert fake.rejected == []


async def test_a_listening_session_does_not_answer() -> None:
    async with FakeOpenAI() as fake, await open_session(fake, listens_only=True):
        assert fake.received[0]["session"]["audio"]["input"]["turn_detection"]["create_response"] is False
        assert fake.rejected == []


@pytest.mark.parametrize(("sensitivity", "threshold"), [("low", 0.7), ("high", 0.3)])
async def test_interruption_sensitivity_is_a_setting(sensitivity: str, threshold: float) -> None:
    async with FakeOpenAI() as fake:
        async with await open_session(fake, settings={"interruption_sensitivity": sensitivity, "interruptible": False}):
            pass
        detection = fake.received[0]["session"]["audio"]["input"]["turn_detection"]
        assert (detection["threshold"], detection["interrupt_response"]) == (threshold, False)
        assert fake.rejected == []


async def test_an_uninterruptible_answer_is_heard_to_the_end() -> None:
    script = Script([Reply(tone(24000, 2000), "A very long story of rain.")], speed=4)
    async with FakeOpenAI(script) as fake, await open_session(fake, settings={"interruptible": False}) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta)
        await reading.say(mulaw_frames(200, loud=True))
        await reading.until_seen(TurnDone)
        assert [each.text for each in reading.of(OutputTranscript)] == ["A very long story of rain."]
        assert len(reading.audio) == 2000 * 8


async def test_the_model_can_speak_while_a_tool_runs() -> None:
    replies = [Reply(tool_calls=(("get_weather", {}),)), Reply(tone(24000, 100), "One moment."), Reply(b"", "Sunny.")]
    async with FakeOpenAI(Script(replies)) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(TurnDone)
        await reading.session.generate_reply("Say that it takes a moment.")
        await reading.until_seen(TurnDone, 2)
        await reading.session.send_tool_result(reading.of(ToolCall)[0].call_id, "get_weather", {"sky": "blue"})
        await reading.until_seen(TurnDone, 3)
        assert [each.text for each in reading.of(OutputTranscript)] == ["One moment.", "Sunny."]
        assert fake.rejected == []


async def test_speech_before_a_dropped_connection_is_reported() -> None:
    script = Script([Reply(tone(24000, 3000), "It is raining and will rain all day.")], drop_after_frames=5, speed=2)
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.say(mulaw_frames(100, loud=False))
        await reading.until_failed()
        ((text),) = [each.text for each in reading.of(OutputTranscript)]
        assert "It is raining and will rain all day.".startswith(text)
        assert text


async def test_unfinished_speech_is_known_when_the_session_closes() -> None:
    script = Script([Reply(tone(24000, 3000), "It is raining and will rain all day.")], speed=2)
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.session.close()
        ((text),) = [each.text for each in reading.session.unfinished()]
        assert text.startswith("It is raining")
        assert (reading.of(OutputTranscript), reading.session.unfinished()) == ([], [])


async def test_barge_in_drops_the_rest_and_truncates_the_unheard_part() -> None:
    script = Script([Reply(tone(24000, 5000), "A very long story")], speed=2)
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta, 3)
        await reading.say(mulaw_frames(100, loud=True))
        await reading.until_seen(TurnDone)
        started = next(index for index, event in enumerate(reading.events) if isinstance(event, SpeechStarted))
        # The interrupted answer's text is here, but no audio: the fake sends some late on purpose.
        later = reading.events[started + 1 :]
        assert [type(event) for event in later] == [OutputTranscript, TurnDone]
        assert "A very long story".startswith(reading.of(OutputTranscript)[0].text)
        item_id = reading.of(AudioDelta)[0].item_id
        await reading.session.truncate(item_id, 140)
        await reading.until(lambda: fake.messages("conversation.item.truncate"))
        assert fake.messages("conversation.item.truncate") == [
            {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 140}
        ]


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

    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        reading.session.audio_sink, reading.session.speech_sink = play, begin
        await reading.session.generate_reply("Tell a story.")
        await reading.until(lambda: len(sounds) >= 3)
        await reading.say(mulaw_frames(100, loud=True))
        await reading.until_seen(TurnDone)
        assert began == [len(sounds)]  # the rest is dropped
        assert reading.of(SpeechStarted) == [SpeechStarted()] * (not is_taken)


async def test_parallel_tool_calls_are_answered_and_followed_by_one_response() -> None:
    calls = (("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"}))
    script = Script([Reply(tool_calls=calls, hears="Weather?"), Reply(tone(24000, 100), "Sunny and snow.")])
    async with FakeOpenAI(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.say(SPEECH)
        await reading.until_seen(ToolCall, 2)
        first, second = reading.of(ToolCall)
        assert (first.name, first.arguments, second.arguments) == ("get_weather", {"city": "Rome"}, {"city": "Oslo"})
        await reading.session.send_tool_result(second.call_id, "get_weather", {"sky": "snow"})
        await reading.until_seen(TurnDone)
        assert fake.messages("response.create") == []
        await reading.session.send_tool_result(first.call_id, "get_weather", {"sky": "sunny"})
        await reading.until_seen(OutputTranscript)
        outputs = [each["item"] for each in fake.messages("conversation.item.create")]
        assert outputs == [
            {"type": "function_call_output", "call_id": second.call_id, "output": '{"sky":"snow"}'},
            {"type": "function_call_output", "call_id": first.call_id, "output": '{"sky":"sunny"}'},
        ]
        assert len(fake.messages("response.create")) == 1
        assert fake.rejected == []


async def test_a_tool_result_waits_for_the_caller_to_finish() -> None:
    script = Script([Reply(tool_calls=(("get_weather", {}),)), Reply(tone(24000, 100), "Both.", hears="Wait!")])
    async with FakeOpenAI(script) as fake, await open_session(fake, tools=(WEATHER,)) as reading:
        await reading.session.generate_reply("Look up the weather.")
        await reading.until_seen(TurnDone)
        await reading.say(mulaw_frames(200, loud=True))
        await reading.until_seen(SpeechStarted)
        await reading.session.send_tool_result(reading.of(ToolCall)[0].call_id, "get_weather", {"sky": "blue"})
        await reading.say(mulaw_frames(300, loud=False))
        await reading.until_seen(TurnDone, 2)
        # The vendor's own answer to the caller already includes the tool's result, so we request nothing more.
        assert len(fake.messages("response.create")) == 1
        assert [each.text for each in reading.of(OutputTranscript)] == ["Both."]


async def test_replies_wait_for_each_other() -> None:
    script = Script([Reply(tone(24000, 300), "One."), Reply(tone(24000, 100), "Two.")])
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("first")
        await reading.session.generate_reply("second")
        await reading.until_seen(TurnDone, 2)
        assert [each.text for each in reading.of(OutputTranscript)] == ["One.", "Two."]
        assert [each["response"]["instructions"] for each in fake.messages("response.create")] == ["first", "second"]


async def test_a_reply_requested_during_the_vendor_s_own_is_spoken_after_it() -> None:
    script = Script([Reply(tone(24000, 300), "To you.", hears="Hello"), Reply(tone(24000, 100), "Goodbye.")])
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        for frame in SPEECH:
            await reading.session.send_audio(frame)
        # We have not read yet that the caller spoke: the vendor is already answering when this arrives.
        await reading.session.generate_reply("Say goodbye.")
        await reading.until_seen(TurnDone, 2)
        assert [each.text for each in reading.of(OutputTranscript)] == ["To you.", "Goodbye."]


async def test_a_reply_requested_as_the_caller_starts_speaking_is_canceled_and_spoken_later() -> None:
    replies = [Reply(tone(24000, 3000), "Any"), Reply(tone(24000, 100), "To you.", hears="Wait"), Reply(b"", "Anyway.")]
    async with FakeOpenAI(Script(replies, speed=2)) as fake, await open_session(fake) as reading:
        for frame in mulaw_frames(200, loud=True):
            await reading.session.send_audio(frame)
        # We have not read yet that the caller is speaking: the vendor starts to answer this during the speech.
        await reading.session.generate_reply("Say it anyway.")
        await reading.until(lambda: fake.messages("response.cancel"))
        await reading.say(mulaw_frames(300, loud=False))
        await reading.until_seen(TurnDone, 3)
        assert len(reading.audio) == 100 * 8
        assert [each.text for each in reading.of(OutputTranscript)] == ["To you.", "Anyway."]
        assert [each["response"] for each in fake.messages("response.create")] == [
            {"instructions": "Say it anyway."}
        ] * 2
        assert fake.rejected == []


async def test_a_caller_that_the_vendor_leaves_unanswered_is_answered_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.providers.openai.ANSWER_SECONDS", 0.2)
    script = Script([Reply(tone(24000, 100), "Here I am.")], leaves_speech_unanswered=True)
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.say(SPEECH)
        await reading.until_seen(SpeechStopped)
        await asyncio.sleep(0.2)
        await reading.session.generate_reply("Answer now.")
        await reading.until_seen(TurnDone)
        assert [each.text for each in reading.of(OutputTranscript)] == ["Here I am."]


async def test_speech_during_an_uninterruptible_answer_is_answered_after_it() -> None:
    script = Script([Reply(tone(24000, 2000), "A story."), Reply(tone(24000, 100), "Yes?")], speed=2)
    async with FakeOpenAI(script) as fake, await open_session(fake, settings={"interruptible": False}) as reading:
        await reading.session.generate_reply("Tell a story.")
        await reading.until_seen(AudioDelta)
        await reading.say(SPEECH)  # the vendor refuses its own attempt to answer, because only one answer can run
        await reading.until_seen(TurnDone, 2)
        assert [each.text for each in reading.of(OutputTranscript)] == ["A story.", "Yes?"]
        assert [each["response"] for each in fake.messages("response.create")][1:] == [{}]


async def test_context_is_a_system_message() -> None:
    async with FakeOpenAI() as fake, await open_session(fake) as reading:
        await reading.session.send_context("The account was credited $50.")
        await reading.until(lambda: len(fake.received) == 2)
        assert fake.received[1]["item"] == {
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "The account was credited $50."}],
        }


async def test_a_whisper_is_a_system_message_that_is_answered_when_appropriate() -> None:
    async with FakeOpenAI() as fake, await open_session(fake) as reading:
        await reading.session.follow("Offer a discount.", at_once=False)
        await reading.session.follow("Say goodbye.", at_once=True)
        await reading.until(lambda: fake.messages("response.create"))
        items = [each["item"] for each in fake.messages("conversation.item.create")]
        assert [(each["role"], each["content"][0]["text"]) for each in items] == [
            ("system", whispered("Offer a discount.")),
            ("system", whispered("Say goodbye.")),
        ]
        assert [each["response"] for each in fake.messages("response.create")] == [{"instructions": Cue.FOLLOW_WHISPER}]


async def test_invalid_messages_are_ignored() -> None:
    script = Script([Reply(tone(24000, 100), "Fine.")], nonsense=True)
    async with FakeOpenAI(script) as fake, await open_session(fake) as reading:
        await reading.session.generate_reply("Speak.")
        await reading.until_seen(TurnDone)
        assert [len(each.payload) for each in reading.of(AudioDelta)] == [1068]
        assert [each.text for each in reading.of(OutputTranscript)] == ["Fine."]


async def test_without_voice_and_language_the_vendor_chooses_and_a_custom_voice_is_sent_by_id() -> None:
    async with FakeOpenAI() as fake:
        async with await open_session(fake), await open_session(fake, voice="voice_12"):
            pass
        audio = [message["session"]["audio"] for message in fake.messages("session.update")]
    assert [settings["output"].get("voice") for settings in audio] == [None, {"id": "voice_12"}]
    assert [settings["input"]["transcription"] for settings in audio] == [{"model": "gpt-4o-mini-transcribe"}] * 2


async def test_parrot_echoes_each_frame() -> None:
    async with FakeOpenAI(Script(parrot=True)) as fake, await open_session(fake) as reading:
        frames = mulaw_frames(100, loud=True)
        await reading.say(frames)
        await reading.until_seen(AudioDelta, 5)
        assert [each.payload for each in reading.of(AudioDelta)] == frames
