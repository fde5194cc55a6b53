"""A session that transfers its call, and one that waits for the verdict on who answered. The test controls both ends."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agents.providers.model_events import AudioDelta, ToolCall, ToolCallsCanceled
from calls.session.model_notices import TAKEN_OVER
from calls.session.take_over import Person
from calls.session.who_answered import VERDICT_SECONDS, Answering
from tests.calls.scripted import FRAME, audio
from tests.calls.session.conversations import conversation
from tests.virtual_time import settled, until


class Desk:
    """Takes requests to transfer a call."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.requests: list[Mapping[str, Any]] = []
        self.answers = asyncio.Event()  # set when the developer's server has answered with a number
        self.answers.set()
        self.called = 0

    async def __call__(self, arguments: Mapping[str, Any], may_call: Callable[[], bool]) -> str:
        self.requests.append(arguments)
        return await asyncio.shield(asyncio.create_task(self._place(may_call)))

    async def _place(self, may_call: Callable[[], bool]) -> str:
        await self.answers.wait()
        if not self.problem and not may_call():
            return TAKEN_OVER
        self.called += not self.problem
        return self.problem


pytestmark = pytest.mark.virtual_time
ASKED = ToolCall("c1", "transfer_call", {"reason": "billing"})


async def test_the_models_words_are_heard_before_the_transfer_starts() -> None:
    desk = Desk()
    async with conversation(request_transfer=desk) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(600)))
        model.queue.put_nowait(ASKED)
        await asyncio.sleep(0.59)
        assert desk.requests == []
        await asyncio.sleep(0.03)
        assert desk.requests == [{"reason": "billing"}]
        # While the second leg rings, the model neither hears nor is heard.
        await talk.session.transfer_begun()
        talk.caller.incoming.put_nowait(FRAME)
        model.queue.put_nowait(AudioDelta("b", audio(100)))
        await settled()
        assert (model.heard, talk.caller.sent) == ([], [audio(600)])
        await talk.session.transfer_failed("no_answer")
        ((call_id, name, result),) = model.results
        assert (call_id, name) == ("c1", "transfer_call")
        assert "no answer" in result["error"]
        talk.caller.incoming.put_nowait(FRAME)
        await until(lambda: model.heard == [FRAME])


async def test_the_model_is_informed_of_an_impossible_transfer() -> None:
    async with conversation(request_transfer=Desk("No number is known.")) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(ASKED)
        await until(lambda: model.results)
        assert model.results == [("c1", "transfer_call", {"error": "No number is known."})]


async def test_nobody_is_called_after_a_takeover_or_a_withdrawn_tool_call() -> None:
    desk = Desk()
    async with conversation(request_transfer=desk) as talk:
        model = await talk.model_session()
        desk.answers.clear()
        model.queue.put_nowait(ASKED)
        await until(lambda: desk.requests)
        model.queue.put_nowait(ToolCallsCanceled(("c1",)))
        await settled()
        desk.answers.set()
        await settled()
        assert (desk.called, model.results) == (0, [])
        desk.answers.clear()
        model.queue.put_nowait(ToolCall("c2", "transfer_call", {}))
        await until(lambda: len(desk.requests) == 2)
        ada = Person("1", "ada@example.com")
        assert await talk.session.take_over.begin(ada) == ""
        desk.answers.set()
        await until(lambda: model.results)
        assert (desk.called, model.results) == (0, [("c2", "transfer_call", {"error": TAKEN_OVER})])
        await talk.session.take_over.end(ada.id, "returned")
        # The transfer was requested, but the session does not know it yet.
        model.queue.put_nowait(ToolCall("c3", "transfer_call", {}))
        await until(lambda: desk.called)
        assert await talk.session.take_over.begin(ada) == "The call is being transferred."
        await talk.session.transfer_failed("busy")
        assert await talk.session.take_over.begin(ada) == ""


async def test_a_caller_waiting_for_a_person_can_be_silent() -> None:
    async with conversation(silence=5) as talk:
        model = await talk.model_session()
        model.queue.put_nowait(AudioDelta("a", audio(100)))
        await settled()
        await talk.session.transfer_begun(is_warm=True)
        await asyncio.sleep(20)
        assert not talk.task.done()
        await talk.session.transfer_failed("busy")
        assert await talk.task == "silence_timeout"


async def test_the_model_is_informed_of_a_failed_transfer_by_the_developer() -> None:
    async with conversation() as talk:
        model = await talk.model_session()
        await talk.session.transfer_begun()
        await talk.session.transfer_failed("busy")
        assert model.contexts == ["The call could not be transferred (busy). The caller is with you again."]
        assert len(model.replies) == 2
        talk.session.end("transferred")
        assert await talk.task == "transferred"


async def test_the_model_waits_for_the_verdict_on_who_answered() -> None:
    answering = Answering(detects=True, now=asyncio.get_running_loop().time)
    async with conversation(answering=answering) as talk:
        talk.caller.incoming.put_nowait(FRAME)
        await until(lambda: talk.model.sessions)
        await asyncio.sleep(VERDICT_SECONDS - 0.1)
        assert (talk.model.sessions[0].replies, talk.notes.names()) == ([], ["model.connected"])
        answering.person()
        model = await talk.model_session()
        assert model.replies == ["Greet the caller."]
        talk.caller.incoming.put_nowait(FRAME)
        await until(lambda: model.heard == [FRAME, FRAME])  # a "Hello?" before the verdict is not lost


async def test_without_a_verdict_the_answerer_is_a_person() -> None:
    began = asyncio.get_running_loop().time()
    async with conversation(answering=Answering(detects=True, now=asyncio.get_running_loop().time)) as talk:
        assert (await talk.model_session()).replies == ["Greet the caller."]
        assert asyncio.get_running_loop().time() - began == pytest.approx(VERDICT_SECONDS)
