"""The same dialog by voice and as text makes the same tool calls, with the same results."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agents.providers.base import SessionConfig, ToolSpec
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputTranscript,
    ToolCall,
    ToolCallsCanceled,
    TurnDone,
)
from bubblyphone.core.audio import PCMU_8K
from calls.session.call_session import CallSession
from calls.session.chat_session import ChatSession
from calls.session.interfaces import Engine, Limits
from tests.calls.scripted import Notebook, ScriptedCaller, ScriptedModel, audio
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time

DAY = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "guests": {"type": "integer", "minimum": 1}},
    "required": ["day"],
}
TOOLS = (
    ToolSpec("check", "Is a day free?", DAY),
    ToolSpec("book", "Book a day", DAY, speak_while_waiting="I am booking it."),
    ToolSpec("status", "Where is the order?", {"type": "object", "properties": {}}),
    ToolSpec("end_call", "Hang up", {"type": "object", "properties": {}}),
)
SLOW_SECONDS = 5
FRIDAY = {"day": "Friday"}


def check(call_id: str = "1", name: str = "check", **arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, arguments or FRIDAY)


BYE = ToolCall("bye", "end_call", {})
# What the caller says in each turn, and the model's events that follow.
DIALOGS: dict[str, list[tuple[str, list[ModelEvent]]]] = {
    "no tool": [("Hello.", [])],
    "one tool": [("Is Friday free?", [check()])],
    "a tool without arguments": [("Where is my order?", [ToolCall("1", "status", {})])],
    "optional arguments": [("Is Friday free for four?", [check(day="Friday", guests=4)])],
    "two at once": [("Is Friday or Saturday free?", [check(), check("2", day="Saturday")])],
    "one after the other": [("Is Friday free?", [check()]), ("Then book it.", [check("2", "book")])],
    "the same in two turns": [("Is Friday free?", [check()]), ("Look again.", [check("2")])],
    "the same reported twice": [("Is Friday free?", [check(), check()])],
    "a tool that does not exist": [("Send me an email.", [check(name="send_email")])],
    "an argument is missing": [("Is it free?", [ToolCall("1", "check", {"guests": 2})])],
    "an argument of another type": [("Is Friday free for four?", [check(day="Friday", guests="four")])],
    "out of bounds": [("For nobody.", [check(day="Friday", guests=0)])],
    "wrong, then right": [("Is Friday free?", [check(day=5)]), ("Friday!", [check("2")])],
    "a tool that fails": [("Is Monday free?", [check(day="fails")])],
    "a slow tool": [("Is Sunday free?", [check(day="slow")])],
    "a slow tool with words": [("Book Sunday.", [check(name="book", day="slow")])],
    "a slow one and a quick one": [("Sunday or Friday?", [check(day="slow"), check("2")])],
    "one is withdrawn": [("Sunday. No, Friday.", [check(day="slow"), ToolCallsCanceled(("1",)), check("2")])],
    "the agent hangs up": [("Goodbye.", [BYE])],
    "a tool, then the agent hangs up": [("Is Friday free?", [check()]), ("Goodbye.", [BYE])],
}  # fmt: skip


class Dialog:
    """One run of a dialog, by voice or as text, and its tool calls."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.notes, self.model, self.caller = Notebook(self.now), ScriptedModel(), ScriptedCaller()
        self.tool_calls: list[tuple[str, str, Mapping[str, Any]]] = []
        self.cause = ""

    def options(self) -> dict[str, Any]:
        return {
            "greeting": "Greet the caller.",
            "limits": Limits(600, 300),
            "run_tool": self._run_tool,
            "observer": self.notes,
            "now": self.now,
        }

    async def _run_tool(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        self.tool_calls.append((name, call_id, dict(arguments)))
        if arguments.get("day") == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        return {"error": "No such day."} if arguments.get("day") == "fails" else {"result": {"tool": name, **arguments}}

    async def on_end(self, cause: str) -> None:
        self.cause = cause

    def seen(self) -> dict[str, Any]:
        """Everything about tools, except their durations."""
        events = [
            (name, {key: value for key, value in metadata.items() if key != "latency_ms"})
            for name, metadata in self.notes.events
            if name.startswith("tool.")
        ]
        texts = [text for role, text, _ in self.notes.transcripts if role == "user"]
        results = self.model.sessions[0].results
        return {
            "asked": self.tool_calls, "called": self.notes.tools, "events": events, "results": results, "said": texts, "cause": self.cause,
        }  # fmt: skip


async def play(turns: list[tuple[str, list[ModelEvent]]], *, as_text: bool) -> dict[str, Any]:
    dialog = Dialog()
    config = SessionConfig(
        upstream_model="m", instructions="Be brief.", caller_format=PCMU_8K, tools=TOOLS, is_text=as_text
    )
    session: ChatSession | CallSession
    if as_text:
        engines = [Engine(dialog.model, config)]
        session = ChatSession(engines=engines, agent_begins=True, show=lambda item, text: None, **dialog.options())
    else:
        session = CallSession(transport=dialog.caller, model=dialog.model, config=config, **dialog.options())
    task = asyncio.create_task(session.run(dialog.on_end))
    await until(lambda: dialog.model.sessions and dialog.model.sessions[0].replies)
    model = dialog.model.sessions[0]
    for number, (text, events) in enumerate(turns):
        if isinstance(session, ChatSession):
            session.write(text)
            await settled()
            assert model.heard[-1] == text
        else:
            model.queue.put_nowait(InputTranscript(text))
        sound = [] if as_text else [AudioDelta(f"answer-{number}", audio(200))]
        answer = [*sound, OutputTranscript(f"answer-{number}", "Very well."), TurnDone()]
        for event in [*events, TurnDone()]:
            model.queue.put_nowait(event)
        is_slow = any(isinstance(event, ToolCall) and event.arguments.get("day") == "slow" for event in events)
        await asyncio.sleep(SLOW_SECONDS + 1 if is_slow else 0.3)
        for event in answer:
            model.queue.put_nowait(event)
        await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return dialog.seen()


@pytest.mark.parametrize("name", DIALOGS)
async def test_voice_and_text_make_the_same_tool_calls(name: str) -> None:
    turns = DIALOGS[name]
    spoken = await play(turns, as_text=False)
    assert await play(turns, as_text=True) == spoken
    calls = [event for _, events in turns for event in events if isinstance(event, ToolCall)]
    assert [tool for tool, _ in spoken["called"]] == [call.name for call in unique(calls)]
    assert spoken["cause"] == ("normal_clearing" if BYE in calls else "")


def unique(calls: list[ToolCall]) -> list[ToolCall]:
    """The tool calls without duplicates."""
    return [call for index, call in enumerate(calls) if call not in calls[:index]]
