"""Whole conversations over the vendors' protocols: the test plays the caller, and a fake that checks every frame plays the model."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from agents.providers.base import RealtimeModel, SessionConfig, ToolSpec
from agents.providers.gemini import GeminiLiveModel
from agents.providers.openai import OpenAIRealtimeModel
from bubblyphone.core.audio import PCMU_8K
from calls.session.call_session import CallSession, Limits
from calls.session.last_words import WORDS_SECONDS
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.agents.providers.sounds import mulaw_frames, tone
from tests.calls.scripted import FRAME, DirectCaller, Notebook, ScriptedCaller
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.vendor import Reply, Script

pytestmark = pytest.mark.virtual_time

VENDORS = ["openai", "google"]
MODELS = {"openai": "gpt-realtime-2", "google": "gemini-3.1-flash-live-preview"}
TOOLS = tuple(
    ToolSpec(name, name, {"type": "object", "properties": {"city": {"type": "string"}}})
    for name in ("weather", "hotel")
)
VOICE = mulaw_frames(20, loud=True)[0]
# Frames of the caller that both fakes recognize as an utterance and the silence after it.
UTTERANCE, PAUSE = [VOICE] * 20, [FRAME] * 15
GREETING = Reply(tone(24000, 100), "Hello there.")


def asks(*names: str) -> Reply:
    return Reply(tool_calls=tuple((name, {"city": "Rome"}) for name in names), hears="Is it raining?")


@dataclass
class Talk:
    """A running conversation."""

    vendor: str
    fake: FakeOpenAI | FakeGemini
    caller: ScriptedCaller
    notes: Notebook
    session: CallSession
    task: "asyncio.Task[str]"
    tool_calls: list[str]
    answered: asyncio.Event

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    async def say(self, frames: list[str]) -> None:
        for frame in frames:
            self.caller.incoming.put_nowait(frame)
            await asyncio.sleep(0.002)

    async def greeted(self) -> None:
        await self.until(lambda: ("model", "Hello there.", False) in self.notes.transcripts)
        await asyncio.sleep(0.15)

    async def hang_up(self) -> str:
        self.caller.incoming.put_nowait(StreamStopped())
        return await asyncio.wait_for(self.task, WORDS_SECONDS + 3)

    def said_by_the_caller(self) -> list[str]:
        return [text for role, text, _ in self.notes.transcripts if role == "user"]

    def texts_sent(self) -> list[str]:
        """The texts sent to the model, after its greeting."""
        if self.vendor == "google":
            texts = [message["realtimeInput"].get("text") for message in self.fake.messages("realtimeInput")]
            return [text for text in texts if text][1:]
        items = [message["item"] for message in self.fake.messages("conversation.item.create")]
        return [item["content"][0]["text"] for item in items if item.get("role") == "system"]

    def results(self) -> list[str]:
        """The results sent to the model as answers to its tool calls."""
        if self.vendor == "google":
            responses = [message["toolResponse"] for message in self.fake.messages("toolResponse")]
            return [str(each["response"]) for response in responses for each in response["functionResponses"]]
        items = [message["item"] for message in self.fake.messages("conversation.item.create")]
        return [item["output"] for item in items if item["type"] == "function_call_output"]


@asynccontextmanager
async def talk(vendor: str, script: Script) -> AsyncIterator[Talk]:
    fake: FakeOpenAI | FakeGemini = FakeOpenAI(script) if vendor == "openai" else FakeGemini(script)
    async with fake:
        model: RealtimeModel = (
            OpenAIRealtimeModel(api_key="sk-test", base_url=fake.base_url)
            if vendor == "openai"
            else GeminiLiveModel(api_key="key", base_url=fake.base_url)
        )
        caller, notes, tool_calls, answered = DirectCaller(), Notebook(), list[str](), asyncio.Event()

        async def run_tool(name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
            tool_calls.append(name)
            await answered.wait()
            return {"result": f"{name} of {arguments['city']}"}

        session = CallSession(
            transport=caller,
            model=model,
            config=SessionConfig(
                upstream_model=MODELS[vendor], instructions="Be brief.", caller_format=PCMU_8K, tools=TOOLS
            ),
            greeting="Greet the caller.",
            limits=Limits(max_duration=60, silence=30),
            now=asyncio.get_running_loop().time,
            run_tool=run_tool,
            observer=notes,
        )
        task = asyncio.create_task(session.run())
        yield Talk(vendor, fake, caller, notes, session, task, tool_calls, answered)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert fake.rejected == []


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("words_after", [0.0, 0.3, 1.2])
@pytest.mark.parametrize("pause", [[], PAUSE], ids=["mid-word", "after a pause"])
async def test_the_callers_last_words_are_in_the_transcript(vendor: str, words_after: float, pause: list[str]) -> None:
    """However late the vendor's transcription is, and whether or not the vendor has noticed the end of the utterance."""
    last = Reply(tone(24000, 100), "Bye.", hears="And no onions, please.")
    async with talk(vendor, Script([GREETING, last], words_after_seconds=words_after)) as call:
        await call.greeted()
        await call.say(UTTERANCE + pause)
        await call.until(lambda: len(call.fake.caller_audio) >= len(UTTERANCE + pause))
        assert await call.hang_up() == ""
        assert call.said_by_the_caller() == ["And no onions, please."]
        assert call.notes.names()[-1] == "stream.disconnected"


@pytest.mark.parametrize("vendor", VENDORS)
async def test_words_that_arrive_too_late_do_not_delay_the_end(vendor: str) -> None:
    async with talk(vendor, Script([GREETING, Reply(hears="Hm.")], words_after_seconds=60)) as call:
        await call.greeted()
        await call.say(UTTERANCE + PAUSE)
        assert await call.hang_up() == ""
        assert call.said_by_the_caller() == []


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("names", [("weather",), ("weather", "hotel")])
async def test_results_after_a_reconnect_are_sent_as_text(vendor: str, names: tuple[str, ...]) -> None:
    """With both vendors, the broken session cannot take the answer, and the next one has not made the call."""
    frames = len(UTTERANCE + PAUSE) + 5
    answer = Reply(tone(24000, 100), "It rains.")
    async with talk(vendor, Script([GREETING, asks(*names), answer], drop_after_frames=frames)) as call:
        await call.greeted()
        await call.say(UTTERANCE + PAUSE)
        await call.until(lambda: call.tool_calls == list(names))
        await call.say([FRAME] * 10)  # the connection to the model drops here
        await call.until(lambda: "model.reconnected" in call.notes.names())
        await call.until(lambda: len(call.fake.sockets) == 2)
        call.answered.set()
        await call.until(lambda: ("model", "It rains.", False) in call.notes.transcripts)
        texts_sent = "\n".join(call.texts_sent())
        assert [texts_sent.count(f"{name} of Rome") for name in names] == [1] * len(names)
        assert call.results() == []
        assert call.notes.names().count("tool.returned") == len(names)
        assert await call.hang_up() == ""


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_undefined_function_is_answered_with_an_error(vendor: str) -> None:
    answer = Reply(tone(24000, 100), "I cannot do that.")
    async with talk(vendor, Script([GREETING, asks("refund"), answer])) as call:
        await call.greeted()
        await call.say(UTTERANCE + PAUSE)
        await call.until(lambda: ("model", "I cannot do that.", False) in call.notes.transcripts)
        (result,) = call.results()
        assert "error" in result
        assert "weather" in result  # one of the existing tools
        assert (call.tool_calls, call.texts_sent()) == ([], [])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_developers_text_is_said_word_for_word(vendor: str) -> None:
    text = 'Your table is "ready" – Tisch 7.'
    async with talk(vendor, Script([GREETING, Reply(tone(24000, 200), text)])) as call:
        await call.greeted()
        assert await call.session.speak(text)
        await call.until(lambda: ("model", text, False) in call.notes.transcripts)
        if vendor == "google":
            orders = call.texts_sent()
        else:
            responses = [message["response"] for message in call.fake.messages("response.create")]
            orders = [response["instructions"] for response in responses[1:]]
        (order,) = orders
        assert order.endswith(text)
        sent = b"".join(map(base64.b64decode, call.caller.sent))
        assert len(sent) == pytest.approx(300 * 8, abs=200)
