"""Features of 2026 models: configurable reasoning, speaking before they finish thinking, and semantic turn detection."""

import pytest

from agents.cues import Cue, whispered
from agents.model_catalog.model_capabilities import Capabilities
from agents.providers.base import ToolSpec
from agents.providers.model_events import OutputTranscript, ToolCall, TurnDone
from bubblyphone.core.audio import PCM16_24K, PCMA_8K, PCMU_8K, AudioFormat
from tests.agents.providers import gemini_sessions, openai_sessions
from tests.agents.providers.sounds import tone
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.vendor import Reply, Script

pytestmark = pytest.mark.virtual_time

WEATHER = ToolSpec("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
THINKS = Capabilities(reasoning_efforts=("minimal", "low"))
TODAYS = Capabilities(
    reasoning_efforts=("minimal", "low"), noise_reduction=("near_field", "far_field"), semantic_turns=True
)
SEMANTIC = {"type": "semantic_vad", "eagerness": "high", "create_response": True, "interrupt_response": True}
SILENCE = {"type": "server_vad", "threshold": 0.7, "create_response": True, "interrupt_response": True}


@pytest.mark.parametrize(
    ("caller", "settings", "detection", "noise", "reasoning"),
    [
        (PCMU_8K, {}, SEMANTIC, {"type": "far_field"}, None),
        (PCMA_8K, {"noise_reduction": "near_field"}, SEMANTIC, {"type": "near_field"}, None),
        (PCM16_24K, {"reasoning_effort": "minimal"}, SEMANTIC, None, {"effort": "minimal"}),
        (PCMU_8K, {"interruption_sensitivity": "low"}, SILENCE, {"type": "far_field"}, None),
    ],
)
async def test_supported_features_are_requested(
    caller: AudioFormat, settings: dict[str, str], detection: object, noise: object, reasoning: object
) -> None:
    async with FakeOpenAI() as fake:
        async with await openai_sessions.open_session(
            fake, caller_format=caller, settings=settings, capabilities=TODAYS
        ):
            pass
        session = fake.received[0]["session"]
        heard = session["audio"]["input"]
        assert (heard["turn_detection"], heard.get("noise_reduction")) == (detection, noise)
        assert session.get("reasoning") == reasoning
        assert fake.rejected == []


async def test_speech_before_the_final_answer_is_commentary() -> None:
    script = Script([Reply(tone(24000, 100), "At ten.", commentary="Let me look.")])
    async with FakeOpenAI(script) as fake, await openai_sessions.open_session(fake) as reading:
        await reading.session.generate_reply("When is the next one?")
        await reading.until_seen(TurnDone)
        transcripts = [(each.text, each.is_commentary) for each in reading.of(OutputTranscript)]
        assert transcripts == [("Let me look.", True), ("At ten.", False)]


async def test_speech_while_the_model_thinks_is_commentary() -> None:
    script = Script([Reply(tone(24000, 100), "At ten.", commentary="Let me look.")])
    async with FakeGemini(script) as fake, await gemini_sessions.open_session(fake) as reading:
        await reading.session.generate_reply("When is the next one?")
        await reading.until_seen(TurnDone, 2)
        assert reading.of(OutputTranscript) == [
            OutputTranscript("turn_1", "Let me look.", is_commentary=True),
            OutputTranscript("turn_2", "At ten."),
        ]


async def test_a_note_waits_for_the_next_answer() -> None:
    can = Capabilities(content_updates=True)
    async with FakeGemini(Script([Reply(b"", "It is 50 dollars.")])) as fake:
        async with await gemini_sessions.open_session(fake, capabilities=can) as reading:
            await reading.session.send_context("Credited $50.")
            await reading.session.send_notice("Keys pressed: 5.")
            await reading.session.generate_reply("How much is it?")
            await reading.until_seen(TurnDone)
            assert reading.of(OutputTranscript) == [OutputTranscript("turn_1", "It is 50 dollars.")]
        notes = ["Context update: Credited $50.", "Context update: Keys pressed: 5."]
        assert fake.messages("clientContent") == [
            {"clientContent": {"turns": [{"parts": [{"text": note}], "role": "user"}], "turnComplete": False}}
            for note in notes
        ]
        assert [each["realtimeInput"] for each in fake.messages("realtimeInput")] == [{"text": "How much is it?"}]
        assert fake.rejected == []


@pytest.mark.parametrize(("has_updates", "at_once"), [(True, True), (True, False), (False, True)])
async def test_a_whisper_is_one_message_for_models_that_answer_every_message(has_updates: bool, at_once: bool) -> None:
    can, whisper = Capabilities(content_updates=has_updates), whispered("Offer a discount.")
    async with FakeGemini() as fake:
        async with await gemini_sessions.open_session(fake, capabilities=can) as reading:
            await reading.session.follow("Offer a discount.", at_once=at_once)
            await reading.session.advise("A colleague had the call.", Cue.CALL_GIVEN_BACK)
            texts = ([whisper] if not has_updates else [Cue.FOLLOW_WHISPER.value] if at_once else []) + [
                f"A colleague had the call.\n{Cue.CALL_GIVEN_BACK}"
            ]
            await reading.until(lambda: len(fake.messages("realtimeInput")) == len(texts))
        assert [each["realtimeInput"]["text"] for each in fake.messages("realtimeInput")] == texts
        noted = [each["clientContent"]["turns"][0]["parts"][0]["text"] for each in fake.messages("clientContent")]
        assert noted == ([whisper] if has_updates else [])
        assert fake.rejected == []


async def test_a_result_does_not_interrupt_the_model() -> None:
    script = Script([Reply(tool_calls=(("get_weather", {}),)), Reply(b"", "Sunny.")])
    async with FakeGemini(script) as fake:
        can = Capabilities(async_tools=True)
        async with await gemini_sessions.open_session(fake, tools=(WEATHER,), capabilities=can) as reading:
            await reading.session.generate_reply("Look up the weather.")
            await reading.until_seen(ToolCall)
            [call] = reading.of(ToolCall)
            await reading.session.send_tool_result(call.call_id, call.name, {"sky": "clear"})
            await reading.until_seen(TurnDone)
        [response] = [each["toolResponse"] for each in fake.received if "toolResponse" in each]
        assert response["functionResponses"] == [
            {"id": call.call_id, "name": "get_weather", "response": {"sky": "clear"}, "scheduling": "WHEN_IDLE"}
        ]


async def test_reasoning_effort_is_a_setting() -> None:
    async with FakeGemini() as fake:
        async with await gemini_sessions.open_session(fake, capabilities=THINKS, settings={"reasoning_effort": "low"}):
            pass
        assert fake.setups()[0]["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "LOW"}
        assert fake.rejected == []
