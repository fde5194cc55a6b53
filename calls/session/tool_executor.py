"""Runs the tools of a live session: concurrently, withdrawable by the model, and with filler messages.

A developer's tool is never canceled: once requested, it runs to its end, and the timeline records the result, whether or not anyone
waits for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.providers.base import RealtimeSession, ToolSpec
from agents.providers.model_events import ToolCall
from agents.tools.tool_arguments import argument_problem
from calls.session import detached_tasks, model_notices
from calls.session.interfaces import LateResults, Observer, ToolRunner

# A tool that returns sooner needs no filler message.
QUICK_SECONDS = 0.7
# After this time something is said even for a tool without its own message.
SLOW_SECONDS = 3.0
# Why nobody waits for a tool's result: another session, possibly in another process, continues the call.
MOVED = "session_moved"

BuiltIn = Callable[[RealtimeSession, ToolCall], Awaitable[None]]
Result = Mapping[str, Any]


@dataclass(eq=False, slots=True)
class _Run:
    """One running tool."""

    session: RealtimeSession
    call: ToolCall
    task: asyncio.Task[None] | None = None
    abandoned: str = ""  # why nobody waits for the result
    has_answer: bool = False
    bridging: asyncio.Task[None] | None = None


class ToolExecutor:
    """Runs the model's tool calls if they are in `tools`.

    `changed` is called whenever a tool starts or ends. `deliver` receives the result of a call, and whether no other tool runs.
    `deliver_late` passes the result of a call to a session that has taken over, if there is one.
    """

    def __init__(
        self,
        *,
        run_tool: ToolRunner,
        observer: Observer,
        tools: Iterable[ToolSpec],
        built_in: Mapping[str, BuiltIn],
        say: Callable[[RealtimeSession, str], Awaitable[None]],
        deliver: Callable[[RealtimeSession, ToolCall, Result, bool], Awaitable[None]],
        changed: Callable[[], None],
        deliver_late: LateResults | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_tool = run_tool
        self._observer = observer
        self._tools = {tool.name: tool for tool in tools}
        self._built_in = built_in
        self._say = say
        self._deliver = deliver
        self._changed = changed
        self._deliver_late = deliver_late
        self._now = now
        self._runs: list[_Run] = []
        self._is_bridged = False  # a filler message was said for the running tools
        self._seen: dict[tuple[RealtimeSession, str], ToolCall] = {}

    @property
    def is_busy(self) -> bool:
        """Whether the model waits for a tool."""
        return bool(self._runs)

    def begin(self, session: RealtimeSession, call: ToolCall, *, denied: str = "") -> None:
        """Start a tool call.

        A call reported twice is started once. `denied`: why nothing may run now; the model gets it as the result.
        """
        if self._seen.get((session, call.call_id)) == call:
            return
        self._seen[session, call.call_id] = call
        self._observer.tool_called(call.name, call.arguments)
        run = _Run(session, call)
        self._runs.append(run)
        tool = self._tools.get(call.name)
        if denied:
            work = self._refuse(run, denied, "taken_over")
        elif tool is None:
            work = self._refuse(run, model_notices.no_such_tool(self._tools), "unknown_tool")
        elif tool.name in self._built_in:
            work = self._act(run)
        elif problem := argument_problem(tool, call.arguments):
            work = self._refuse(run, problem, "invalid_arguments")
        else:
            work = self._ask(run, tool)
        run.task = detached_tasks.start(work, name=call.name)
        self._changed()

    def cancel(self, call_ids: Iterable[str]) -> None:
        """The model no longer needs these results."""
        ids = set(call_ids)
        for run in [run for run in self._runs if run.call.call_id in ids]:
            self._runs.remove(run)
            self._abandon(run, "withdrawn")
        self._changed()

    def leave(self, reason: str) -> None:
        """The session is over. Requests to the developer's server continue without it."""
        runs, self._runs = self._runs, []
        for run in runs:
            self._abandon(run, reason)

    def _abandon(self, run: _Run, reason: str) -> None:
        run.abandoned = reason
        if run.bridging is not None:
            run.bridging.cancel()
        is_built_in = run.call.name in self._built_in
        if run.task is not None and (run.has_answer or is_built_in):
            run.task.cancel()
        if is_built_in and not run.has_answer and run.call.name != "end_call":
            self._observer.event("tool.abandoned", {"tool": run.call.name, "reason": reason})

    def _ended(self, run: _Run) -> None:
        if run in self._runs:
            self._runs.remove(run)
            self._is_bridged = self._is_bridged and bool(self._runs)
            self._changed()

    async def _give_answer(self, run: _Run, result: Result) -> None:
        run.has_answer = True
        await self._deliver(run.session, run.call, result, self._runs == [run])

    async def _refuse(self, run: _Run, problem: str, reason: str) -> None:
        """A call that cannot run is not sent: the model gets the reason."""
        outcome = {"tool": run.call.name, "ok": False, "latency_ms": 0, "reason": reason}
        try:
            self._observer.event("tool.returned", outcome)
            await self._give_answer(run, {"error": problem})
        finally:
            self._ended(run)

    async def _act(self, run: _Run) -> None:
        try:
            await self._built_in[run.call.name](run.session, run.call)
        finally:
            run.has_answer = True
            self._ended(run)

    async def _ask(self, run: _Run, tool: ToolSpec) -> None:
        began = self._now()
        run.bridging = asyncio.create_task(self._bridge_wait(run.session, tool.speak_while_waiting))
        try:
            result = await self._run_tool(tool.name, run.call.arguments, run.call.call_id)
            latency_ms = int((self._now() - began) * 1000)
            outcome = {"tool": run.call.name, "ok": "error" not in result, "latency_ms": latency_ms}
            if run.abandoned:
                await self._tell_nobody(run, result, outcome)
            else:
                self._observer.event("tool.returned", outcome)
                await self._give_answer(run, result)
        finally:
            if run.bridging is not None:
                run.bridging.cancel()
            self._ended(run)

    async def _tell_nobody(self, run: _Run, result: Result, outcome: dict[str, Any]) -> None:
        """The result came too late for the session that asked; if another one continues the call, it gets the result."""
        is_taken = False
        if run.abandoned == MOVED and self._deliver_late is not None:
            is_taken = await self._deliver_late(run.call.name, result)
        if is_taken:
            self._observer.event("tool.returned", outcome)
        else:
            self._observer.event("tool.abandoned", {**outcome, "reason": run.abandoned})

    async def _bridge_wait(self, session: RealtimeSession, words: str) -> None:
        await asyncio.sleep(QUICK_SECONDS if words else SLOW_SECONDS)
        if words or not self._is_bridged:  # one message is enough for several tools
            self._is_bridged = True
            await self._say(session, words)
