"""The scripted brain, with real sentence embeddings."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
import pytest_asyncio

from agents.brain.base import Brain, Call, Say, Steps, ToolResult
from agents.brain.scripted import ScriptedBrain
from agents.providers.base import ToolSpec, Turn
from agents.speech import Speech, is_installed
from tests.agents.brain.restaurant import PROMPT, TODAY, TOOLS

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the offline packages")


@dataclass
class Conversation:
    """Takes the caller's lines and returns the agent's sentences. Records tool calls."""

    brain: Brain
    calls: list[Call] = field(default_factory=list)

    async def say(self, line: str) -> str:
        return await self._run(self.brain.answer(line))

    async def reply(self, instructions: str) -> str:
        return await self._run(self.brain.reply(instructions))

    async def tool_answers(self, result: Mapping[str, Any]) -> str:
        return await self._run(self.brain.go_on([ToolResult(call.call_id, call.name, result) for call in self.calls]))

    async def _run(self, steps: Steps) -> str:
        taken = [step async for step in steps]
        spoken = " ".join(step.text for step in taken if isinstance(step, Say))
        self.calls = [step for step in taken if isinstance(step, Call)]
        if spoken:
            self.brain.said(spoken)
        return spoken

    @property
    def call(self) -> tuple[str, Mapping[str, Any]]:
        """The only tool call of the last turn."""
        (call,) = self.calls
        return call.name, call.arguments


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Speech]:
    speech = Speech()
    yield speech
    await speech.close()


NewConversation = Callable[..., Conversation]


@pytest.fixture
def new_conversation(engine: Speech) -> NewConversation:
    def new(prompt: str = PROMPT, tools: tuple[ToolSpec, ...] = TOOLS, history: tuple[Turn, ...] = ()) -> Conversation:
        def today() -> date:
            return TODAY

        return Conversation(ScriptedBrain(prompt, tools, engine.embed, history=history, today=today))

    return new
