"""A session's tools: which calls run, which are refused, and what happens to results that nobody awaits anymore."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agents.cues import Cue
from agents.providers.base import ProviderError, ToolSpec, late_result
from agents.providers.model_events import ToolCall, ToolCallsCanceled
from calls.session.interfaces import LEFT
from phone_numbers.carriers.media_protocol import StreamStopped
from tests.calls.session.conversations import Conversation, conversation
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time
SLOW = ToolCall("1", "slow", {})
BOOK = ToolSpec(
    "book_table",
    "Book a table",
    {
        "type": "object",
        "properties": {
            "date": {"type": "string"},
            "guests": {"type": "integer", "minimum": 1, "maximum": 8},
            "area": {"enum": ["inside", "terrace"]},
            "note": {"type": "string"},
            "dishes": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["date", "guests"],
        "anyOf": [{"required": ["area"]}, {"required": ["note"]}],
    },
)
GOOD = {"date": "2026-12-24", "guests": 4, "area": "inside"}


def events_named(talk: Conversation, name: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in metadata.items() if key != "latency_ms"}
        for event, metadata in talk.notes.events
        if event == name
    ]


async def slow_tool_started(talk: Conversation) -> Any:
    """The model session, after it called the slow tool and the tool started."""
    talk.tool_waits = {"slow": asyncio.Event()}
    model = await talk.model_session()
    model.queue.put_nowait(SLOW)
    await until(lambda: talk.tools_run == ["slow"])
    return model


# --- results nobody awaits --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["hangs up", "end", "limit"])
async def test_a_tool_outlives_the_call(end: str) -> None:
    async with conversation(max_duration=0.6 if end == "limit" else 60) as talk:
        model = await slow_tool_started(talk)
        if end == "hangs up":
            talk.caller.incoming.put_nowait(StreamStopped())
        elif end == "end":
            talk.session.end("insufficient_balance")
        await talk.task
        assert (events_named(talk, "tool.returned"), events_named(talk, "tool.abandoned")) == ([], [])
        talk.tool_waits["slow"].set()
        await until(lambda: events_named(talk, "tool.abandoned"))
        assert events_named(talk, "tool.abandoned") == [{"tool": "slow", "ok": True, "reason": "call_ended"}]
        assert (events_named(talk, "tool.returned"), model.results, talk.tools_run) == ([], [], ["slow"])


async def test_a_tool_outlives_its_withdrawal() -> None:
    async with conversation() as talk:
        model = await slow_tool_started(talk)
        model.queue.put_nowait(ToolCallsCanceled(("1", "unheard-of")))
        model.queue.put_nowait(ToolCall("2", "quick", {}))
        await until(lambda: model.results)
        talk.tool_waits["slow"].set()
        await until(lambda: events_named(talk, "tool.abandoned"))
        assert events_named(talk, "tool.abandoned") == [{"tool": "slow", "ok": True, "reason": "withdrawn"}]
        assert [name for _, name, _ in model.results] == ["quick"]
        assert talk.tools_run == ["slow", "quick"]


@pytest.mark.parametrize("is_taken", [True, False])
async def test_the_result_follows_a_call_that_moves(is_taken: bool) -> None:
    forwarded: list[tuple[str, Mapping[str, Any]]] = []

    async def deliver_late(name: str, result: Mapping[str, Any]) -> bool:
        forwarded.append((name, result))
        return is_taken

    async with conversation(deliver_late=deliver_late) as talk:
        await slow_tool_started(talk)
        talk.session.end(LEFT)
        await talk.task
        talk.tool_waits["slow"].set()
        await until(lambda: forwarded)
        await until(lambda: events_named(talk, "tool.returned") or events_named(talk, "tool.abandoned"))
        assert forwarded == [("slow", {"result": {"tool": "slow"}})]
        assert events_named(talk, "tool.returned") == ([{"tool": "slow", "ok": True}] if is_taken else [])
        assert events_named(talk, "tool.abandoned") == (
            [] if is_taken else [{"tool": "slow", "ok": True, "reason": "session_moved"}]
        )


async def test_a_session_gets_the_result_that_the_previous_one_awaited() -> None:
    async with conversation(resume_reason="deploy") as talk:
        model = await talk.model_session()
        assert await talk.session.late_result("slow", {"result": 5})
        assert model.contexts == [late_result("slow", {"result": 5})]
        assert model.replies[-1] == Cue.ANSWER_WITH_RESULTS


# --- a model that drops -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("when", ["while reconnecting", "afterwards"])
async def test_the_next_session_answers_with_all_results(when: str) -> None:
    async with conversation() as talk:
        talk.tool_waits = {"slow": asyncio.Event(), "gone": asyncio.Event()}
        first = await talk.model_session()
        first.queue.put_nowait(SLOW)
        first.queue.put_nowait(ToolCall("2", "gone", {}))
        await until(lambda: len(talk.tools_run) == 2)
        if when == "while reconnecting":
            talk.model.gate = asyncio.Event()
        first.queue.put_nowait(ProviderError("gone", retryable=True))
        await until(lambda: first.is_closed)
        if when == "while reconnecting":
            talk.tool_waits["slow"].set()
            await until(lambda: events_named(talk, "tool.returned"))
            talk.model.gate.set()
        second = await talk.model_session(1)
        talk.tool_waits["slow"].set()
        await until(lambda: second.contexts)
        assert second.replies == []  # it would call the other tool again
        talk.tool_waits["gone"].set()
        await until(lambda: second.replies)
        assert second.contexts == [late_result(name, {"result": {"tool": name}}) for name in ("slow", "gone")]
        assert second.replies == [Cue.ANSWER_WITH_RESULTS]
        assert (first.results, second.results, talk.tools_run) == ([], [], ["slow", "gone"])


async def test_a_tool_call_reported_twice_runs_once() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        for call in (ToolCall("1", "quick", {}), ToolCall("1", "quick", {}), ToolCall("2", "quick", {})):
            model.queue.put_nowait(call)
        await until(lambda: len(model.results) == 2)
        await settled()
        assert [call_id for call_id, _, _ in model.results] == ["1", "2"]
        assert talk.tools_run == ["quick", "quick"]


# --- refused calls ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["invented", "Book_Table", "book_table ", "", "transfer_call", "send_dtmf", "end_call"]
)
async def test_a_tool_that_the_agent_does_not_have_is_not_run(name: str) -> None:
    async with conversation(tools=(BOOK,)) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("1", name, GOOD))
        await until(lambda: model.results)
        error = {"error": "This tool does not exist. Your tools: book_table."}
        assert model.results == [("1", name, error)]
        assert talk.notes.tools == [(name, GOOD)]
        assert events_named(talk, "tool.returned") == [{"tool": name, "ok": False, "reason": "unknown_tool"}]
        assert talk.tools_run == []
        assert not talk.task.done()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"date": ..., "guests": ...}, "Missing arguments: date, guests. Ask for them if you do not know them."),
        ({"guests": "many"}, "The arguments do not fit at guests: 'many' is not of type 'integer'"),
        ({"guests": 4.5}, "The arguments do not fit at guests: 4.5 is not of type 'integer'"),
        ({"guests": 9}, "The arguments do not fit at guests: 9 is greater than the maximum of 8"),
        ({"area": "roof"}, "The arguments do not fit at area: 'roof' is not one of ['inside', 'terrace']"),
        ({"date": ["2026-12-24"]}, "The arguments do not fit at date: ['2026-12-24'] is not of type 'string'"),
        ({"dishes": "soup"}, "The arguments do not fit at dishes: 'soup' is not of type 'array'"),
        ({"dishes": [{}]}, "The arguments do not fit at dishes.0: {} is not of type 'string'"),
        ({"area": ...}, "Missing arguments: area or note. Ask for them if you do not know them."),
    ],
)
async def test_invalid_arguments_are_not_sent(changes: dict[str, Any], problem: str) -> None:
    arguments = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    async with conversation(tools=(BOOK,)) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("1", "book_table", arguments))
        await until(lambda: model.results)
        assert model.results == [("1", "book_table", {"error": problem})]
        assert events_named(talk, "tool.returned") == [
            {"tool": "book_table", "ok": False, "reason": "invalid_arguments"}
        ]
        assert talk.tools_run == []


@pytest.mark.parametrize(
    "changes",
    [{}, {"guests": "4"}, {"guests": 4.0}, {"date": 20261224}, {"note": None}, {"more": 1}, {"dishes": ["soup", 5]}],
)
async def test_valid_arguments_are_sent_unchanged(changes: dict[str, Any]) -> None:
    async with conversation(tools=(BOOK,)) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ToolCall("1", "book_table", {**GOOD, **changes}))
        await until(lambda: model.results)
        assert model.results == [("1", "book_table", {"result": {"tool": "book_table", **GOOD, **changes}})]
