"""A session with both ends controlled by the test."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from agents.providers.base import ProviderError, SessionConfig, ToolSpec
from bubblyphone.core.audio import PCMU_8K
from calls.session.call_session import CallSession, Limits
from tests.calls.scripted import Notebook, ScriptedCaller, ScriptedModel
from tests.virtual_time import until

NO_ARGUMENTS = {"type": "object", "properties": {}}
TOOLS = tuple(
    ToolSpec(name, name, NO_ARGUMENTS) for name in ("slow", "gone", "quick", "look", "end_call", "transfer_call")
)


class Conversation:
    def __init__(
        self,
        model: ScriptedModel,
        limits: Limits,
        *,
        tools: tuple[ToolSpec, ...] = TOOLS,
        on_end: Any = None,
        **options: Any,
    ) -> None:
        now = asyncio.get_running_loop().time
        self.caller, self.notes, self.model = ScriptedCaller(), Notebook(now), model
        self.tool_waits: dict[str, asyncio.Event] = {}
        self.tools_run: list[str] = []
        self.session = CallSession(
            transport=self.caller,
            model=model,
            config=SessionConfig(upstream_model="m", instructions="Be brief.", caller_format=PCMU_8K, tools=tools),
            greeting="Greet the caller.",
            limits=limits,
            run_tool=self.run_tool,
            observer=self.notes,
            now=now,
            **options,
        )
        self.task = asyncio.create_task(self.session.run(on_end))

    async def run_tool(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        self.tools_run.append(name)
        if name in self.tool_waits:
            await self.tool_waits[name].wait()
        return {"result": {"tool": name, **arguments}}

    async def model_session(self, number: int = 0) -> Any:
        await until(lambda: len(self.model.sessions) > number)
        session = self.model.sessions[number]
        if number == 0:
            await until(lambda: session.replies)
        return session


@asynccontextmanager
async def conversation(
    *refusals: ProviderError | None, max_duration: float = 60, silence: float = 30, asks: bool = False, **options: Any
) -> AsyncIterator[Conversation]:
    talk = Conversation(ScriptedModel(*refusals), Limits(max_duration, silence, asks), **options)
    yield talk
    talk.task.cancel()
    await asyncio.gather(talk.task, return_exceptions=True)
