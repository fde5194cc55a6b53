"""The model `local-offline` in a call: audio in, audio out."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from agents import speech
from agents.cues import Cue
from agents.providers.base import ProviderError, RealtimeSession, SessionConfig
from agents.providers.local import LocalModel
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from agents.speech import Speech, assets
from bubblyphone.core.audio import PCM16_16K, PCMU_8K, make_transcoder
from tests.agents.brain.chat_server import ChatServer, chat_server, text
from tests.agents.brain.restaurant import PROMPT, TOOLS
from tests.speech.conftest import in_real_time, phone_line, quiet

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not speech.is_installed(), reason="needs the offline packages"),
]

CONFIG = SessionConfig("local-offline", PROMPT, PCMU_8K, tools=TOOLS)


@dataclass
class Caller:
    """Speaks to a session and records its events and audio."""

    session: RealtimeSession
    sound: bytearray = field(default_factory=bytearray)
    events: list[ModelEvent] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        to_16k = make_transcoder(self.session.output_format, PCM16_16K)
        assert to_16k is not None
        async for event in self.session.events():
            if isinstance(event, AudioDelta):
                self.sound += base64.b64decode(to_16k(event.payload))
            else:
                self.events.append(event)
            self.arrived.set()

    async def wait_for(self, kind: type, seconds: float = 15) -> ModelEvent:
        """The first event of this type since `events` was last cleared, or the next one."""
        async with asyncio.timeout(seconds):
            while not (found := [event for event in self.events if isinstance(event, kind)]):
                self.arrived.clear()
                await self.arrived.wait()
        return found[0]

    async def say(self, text: str) -> None:
        """A sentence in real time, followed by silence."""
        pcm = await phone_line(text)
        self.sound.clear()
        self.events.clear()
        async for frame in in_real_time(pcm + quiet(0.9)):
            await self.session.send_audio(base64.b64encode(frame).decode())

    async def report_interruption(self, item_id: str, heard_ms: int) -> None:
        """What a call sends when the caller interrupts."""
        self.events.clear()
        await self.wait_for(SpeechStarted)
        await self.session.truncate(item_id, heard_ms)

    async def heard(self) -> str:
        return (await speech.transcribe(bytes(self.sound))).text.lower()


@asynccontextmanager
async def calling(model: LocalModel, config: SessionConfig = CONFIG) -> AsyncIterator[Caller]:
    """A caller in a session with a model."""
    session = await model.connect(config)
    caller = Caller(session)
    listening = asyncio.create_task(caller.listen())
    try:
        yield caller
    finally:
        await session.close()
        await asyncio.wait_for(listening, 2)


@pytest_asyncio.fixture(loop_scope="module")
async def caller(engine: Speech) -> AsyncIterator[Caller]:
    async with calling(LocalModel()) as caller:
        yield caller


async def test_answers_from_its_prompt_by_voice(caller: Caller) -> None:
    await caller.say("What are your opening hours?")
    await caller.wait_for(TurnDone)
    kinds = [type(event) for event in caller.events]
    assert kinds == [SpeechStarted, SpeechStopped, InputTranscript, OutputTranscript, TurnDone]
    transcript = await caller.wait_for(OutputTranscript)
    assert transcript == OutputTranscript("local_item_1", "We are open Tuesday to Sunday from 5 p.m. to 11 p.m.")
    heard = await caller.heard()
    assert "tuesday" in heard
    assert "eleven" in heard or "11" in heard


async def test_a_listening_session_does_not_answer(engine: Speech) -> None:
    async with calling(LocalModel(), replace(CONFIG, listens_only=True)) as caller:
        for question in (
            "What are your opening hours?",
            "Where are you?",
        ):  # the first would be answered before the second is recognized
            await caller.say(question)
            await caller.wait_for(InputTranscript)
            assert [type(event) for event in caller.events] == [SpeechStarted, SpeechStopped, InputTranscript]
        assert caller.sound == b""


async def test_calls_a_tool_and_speaks_its_result(caller: Caller) -> None:
    await caller.say("Please check the availability for tomorrow.")
    call = await caller.wait_for(ToolCall)
    assert isinstance(call, ToolCall)
    tomorrow = (datetime.now().astimezone() + timedelta(days=1)).date()
    assert (call.name, call.arguments) == ("check_availability", {"date": tomorrow.isoformat()})
    caller.sound.clear()
    caller.events.clear()
    await caller.session.send_tool_result(
        call.call_id, call.name, {"message": "There is one table left by the window."}
    )
    await caller.wait_for(TurnDone)
    heard = await caller.heard()
    assert "table" in heard
    assert "window" in heard


async def test_stops_speaking_when_the_caller_speaks(caller: Caller) -> None:
    text = "The first thing is this. And then there is much more to tell, so much that it takes a while to say it all."
    await caller.session.generate_reply(f'Say: "{text}"')
    await caller.wait_for(OutputTranscript)
    interruption = await phone_line("Stop, wait a moment please.")
    loop = asyncio.get_running_loop()
    caller.events.clear()
    noticed = asyncio.create_task(caller.wait_for(SpeechStarted))
    began = loop.time()
    async for frame in in_real_time(interruption + quiet(0.2)):
        await caller.session.send_audio(base64.b64encode(frame).decode())
        if noticed.done():
            break
    assert loop.time() - began < 0.5  # the sentence itself starts about 50 ms into its audio
    caller.sound.clear()
    await asyncio.sleep(0.3)
    assert caller.sound == b""
    await caller.session.truncate("local_item_1", 1200)


async def test_a_cough_does_not_interrupt_it(caller: Caller) -> None:
    await caller.session.generate_reply('Say: "One two three four five six seven eight nine ten."')
    await caller.wait_for(TurnDone)
    caller.events.clear()
    cough = (await phone_line("Uh."))[:4800]  # 150 ms
    async for frame in in_real_time(cough + quiet(1)):
        await caller.session.send_audio(base64.b64encode(frame).decode())
    assert caller.events == []


async def test_a_pending_answer_is_not_requested_again(engine: Speech) -> None:
    session = await LocalModel().connect(replace(CONFIG, is_text=True))
    events = session.events()

    async def answers() -> list[str]:
        transcripts = []
        async with asyncio.timeout(30):
            async for event in events:
                if isinstance(event, OutputTranscript):
                    transcripts.append(event.text)
                elif isinstance(event, TurnDone):
                    break
        return transcripts

    await session.send_text("What are your opening hours?")
    await session.generate_reply(Cue.ANSWER_NOW)
    assert await answers() == ["We are open Tuesday to Sunday from 5 p.m. to 11 p.m."]
    await session.generate_reply(Cue.ANSWER_NOW)
    assert await answers() == ["Sorry, I did not catch that. Could you say it again?"]
    await session.close()


async def test_speaks_the_platform_s_greeting(caller: Caller) -> None:
    await caller.session.generate_reply("Greet the person and ask how you can help.")
    await caller.wait_for(TurnDone)
    assert await caller.wait_for(OutputTranscript) == OutputTranscript(
        "local_item_1", "Hello, this is Ada, the demo agent of Luigi's Pizzeria. How can I help you?"
    )
    assert "how can i help you" in await caller.heard()


@pytest_asyncio.fixture(loop_scope="module")
async def chat(engine: Speech) -> AsyncIterator[ChatServer]:
    async with chat_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def chat_caller(chat: ChatServer) -> AsyncIterator[Caller]:
    async with calling(LocalModel(chat.base_url, "llama3")) as caller:
        yield caller


async def test_a_chat_endpoint_speaks_and_can_be_interrupted(chat: ChatServer, chat_caller: Caller) -> None:
    chat.script = [[*text("The soup of the day is tomato. ", "And"), 30.0, *text(" more.")], text("Of course.")]
    await chat_caller.say("What is the soup of the day?")
    while not chat_caller.sound:
        await asyncio.sleep(0.05)
    heard = asyncio.create_task(chat_caller.report_interruption("local_item_1", 700))
    await chat_caller.say("Can you say that again, please?")
    await asyncio.wait_for(chat.hung_up.wait(), 3)
    await heard
    transcript = await chat_caller.wait_for(OutputTranscript)
    assert transcript == OutputTranscript("local_item_1", "The soup of the day is tomato.")
    await chat_caller.wait_for(TurnDone)
    first, cut, second = chat.messages()
    assert "soup" in first["content"]
    assert "again" in second["content"]
    assert cut["content"].startswith("The soup of")
    assert cut["content"].endswith("…(interrupted)")
    assert "tomato" not in cut["content"]


async def test_a_closed_session_accepts_no_audio(engine: Speech) -> None:
    session = await LocalModel().connect(CONFIG)
    await session.close()
    await session.close()
    assert [event async for event in session.events()] == []
    with pytest.raises(ProviderError) as refused:
        await session.send_audio("AAAA")
    assert refused.value.retryable


async def test_is_unavailable_without_the_offline_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "PACKAGES", (*assets.PACKAGES, "a_package_that_is_not_there"))
    model = LocalModel()
    assert not model.is_available()
    with pytest.raises(ProviderError) as refused, contextlib.closing(model.connect(CONFIG)) as connecting:
        await connecting
    assert not refused.value.retryable
