"""The tools of a live session: they run side by side, may be withdrawn by the model, and may have something said meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from agents.providers.base import RealtimeSession, ToolSpec
from agents.providers.events import ToolCall
from calls.session.parts import Observer, ToolRunner

# A tool that is back sooner needs no words to bridge the wait.
QUICK_SECONDS = 0.7

BuiltIn = Callable[[RealtimeSession, ToolCall], Awaitable[None]]


class ToolDesk:
    """Runs what the model asks for. `changed` is told whenever a tool has begun or ended, `deliver` is given what came of it."""

    def __init__(
        self,
        *,
        run_tool: ToolRunner,
        observer: Observer,
        tools: Iterable[ToolSpec],
        built_in: Mapping[str, BuiltIn],
        say: Callable[[RealtimeSession, str], Awaitable[None]],
        deliver: Callable[[RealtimeSession, ToolCall, Mapping[str, Any]], Awaitable[None]],
        changed: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_tool = run_tool
        self._observer = observer
        self._waiting_words = {tool.name: tool.speak_while_waiting for tool in tools if tool.speak_while_waiting}
        self._built_in = built_in
        self._say = say
        self._deliver = deliver
        self._changed = changed
        self._now = now
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, session: RealtimeSession, call: ToolCall) -> None:
        """Start what the model has called."""
        self._observer.tool_called(call.name, call.arguments)
        act = self._built_in.get(call.name, self._answer)
        task = asyncio.create_task(self._work(act, session, call), name=call.name)
        self.tasks[call.call_id] = task
        self._changed()

    def cancel(self, call_ids: Iterable[str]) -> None:
        """The model no longer wants these answers."""
        for call_id in call_ids:
            if task := self.tasks.pop(call_id, None):
                task.cancel()
                self._observer.event("tool.cancelled", {"tool": task.get_name()})
        self._changed()

    async def _work(self, act: BuiltIn, session: RealtimeSession, call: ToolCall) -> None:
        try:
            await act(session, call)
        finally:
            if self.tasks.get(call.call_id) is asyncio.current_task():
                del self.tasks[call.call_id]
                self._changed()

    async def _answer(self, session: RealtimeSession, call: ToolCall) -> None:
        began = self._now()
        words = self._waiting_words.get(call.name, "")
        bridging = asyncio.create_task(self._bridge_wait(session, words)) if words else None
        try:
            result = await self._run_tool(call.name, call.arguments)
        finally:
            if bridging is not None:
                bridging.cancel()
        latency_ms = int((self._now() - began) * 1000)
        self._observer.event(
            "tool.returned", {"tool": call.name, "ok": "error" not in result, "latency_ms": latency_ms}
        )
        await self._deliver(session, call, result)

    async def _bridge_wait(self, session: RealtimeSession, words: str) -> None:
        await asyncio.sleep(QUICK_SECONDS)
        await self._say(session, words)
