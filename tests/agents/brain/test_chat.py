"""A chat endpoint as the brain, tested against a server that streams like Ollama and vLLM."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest_asyncio
from openai.types.chat import completion_create_params

from agents.brain.base import Say
from agents.brain.chat import APOLOGY, ChatEndpoint
from agents.providers.base import SessionConfig, Turn
from bubblyphone.core.audio import PCMU_8K
from tests.agents.brain.chat_server import ChatServer, chat_server, text, tool_call
from tests.agents.brain.conftest import Conversation
from tests.agents.brain.restaurant import BOOK_TABLE, END_CALL


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with chat_server() as running:
        yield running


@pytest_asyncio.fixture
async def endpoint(server: ChatServer) -> AsyncIterator[ChatEndpoint]:
    endpoint = ChatEndpoint(server.base_url, "llama3", "key")
    yield endpoint
    await endpoint.close()


def new_conversation(endpoint: ChatEndpoint, history: tuple[Turn, ...] = ()) -> Conversation:
    config = SessionConfig("local", "You are Ada of Luigi's.", PCMU_8K, tools=(BOOK_TABLE, END_CALL), history=history)
    return Conversation(endpoint.new_brain(config))


async def test_speaks_each_sentence_while_the_answer_is_still_being_generated(
    server: ChatServer, endpoint: ChatEndpoint
) -> None:
    server.script = [
        [
            *text("<think>Hm. Let me see.</think>", "We **op", "en at", " 5 p.m. daily. An", "d we close"),
            0.5,
            *text(" at 11."),
        ]
    ]
    talk = new_conversation(endpoint, history=(Turn("user", "Hi."), Turn("model", "Hello.")))
    loop = asyncio.get_running_loop()
    at: list[tuple[str, float]] = []
    started = loop.time()
    async for step in talk.brain.answer("When?"):
        assert isinstance(step, Say)
        at.append((step.text, loop.time() - started))
    assert [text for text, _ in at] == ["We open at 5 p.m. daily.", "And we close at 11."]
    assert at[1][1] - at[0][1] > 0.4
    sent = server.requests[0]
    assert (sent["model"], sent["stream"]) == ("llama3", True)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["book_table", "end_call"]
    assert sent["messages"][0]["content"].startswith("You are Ada of Luigi's.")
    assert server.messages() == [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "When?"},
    ]
    assert set(sent) <= set(completion_create_params.CompletionCreateParamsStreaming.__annotations__)


async def test_calls_tools_and_continues_with_their_result(server: ChatServer, endpoint: ChatEndpoint) -> None:
    server.script = [text("Let me book that.") + tool_call("book_table", '{"party_', 'size": 2}'), text("Done.")]
    talk = new_conversation(endpoint)
    assert await talk.say("A table for two.") == "Let me book that."
    assert talk.call == ("book_table", {"party_size": 2})
    call_id = talk.calls[0].call_id
    assert await talk.tool_answers({"booked": True}) == "Done."
    use = {"id": call_id, "type": "function", "function": {"name": "book_table", "arguments": '{"party_size": 2}'}}
    assert server.messages() == [
        {"role": "user", "content": "A table for two."},
        {"role": "assistant", "content": "Let me book that.", "tool_calls": [use]},
        {"role": "tool", "tool_call_id": call_id, "content": '{"booked": true}'},
    ]


async def test_arguments_that_are_not_json_are_requested_again(server: ChatServer, endpoint: ChatEndpoint) -> None:
    server.script = [tool_call("book_table", '{"party_size": '), tool_call("book_table", '{"party_size": 3}')]
    talk = new_conversation(endpoint)
    assert await talk.say("A table for three.") == ""
    assert talk.call == ("book_table", {"party_size": 3})
    assert len(server.requests) == 2


async def test_nothing_follows_the_end_of_the_call(server: ChatServer, endpoint: ChatEndpoint) -> None:
    server.script = [text("Goodbye.") + tool_call("end_call", "{}")]
    talk = new_conversation(endpoint)
    await talk.say("Bye.")
    assert await talk.tool_answers({}) == ""
    assert len(server.requests) == 1


async def test_interrupting_closes_the_stream_and_keeps_the_heard_part(
    server: ChatServer, endpoint: ChatEndpoint
) -> None:
    server.script = [[*text("One sentence. ", "Another"), 60.0, *text(" one.")], text("Sure.")]
    talk = new_conversation(endpoint)
    async with aclosing(talk.brain.answer("Tell me all.")) as steps:
        assert await anext(steps) == Say("One sentence.")
    await asyncio.wait_for(server.hung_up.wait(), 30)
    talk.brain.said("One sentence.")
    talk.brain.heard("One sentence.", "One")
    talk.brain.note("The caller is a regular.")
    assert await talk.say("Stop.") == "Sure."
    assert server.messages()[1] == {"role": "assistant", "content": "One …(interrupted)"}
    assert "Note for you: The caller is a regular." in server.requests[1]["messages"][0]["content"]


async def test_a_failing_endpoint_gets_an_apology_and_a_retry(server: ChatServer, endpoint: ChatEndpoint) -> None:
    server.script = [400, text("Yes."), 500, 500, text("", " ")]
    talk = new_conversation(endpoint)
    assert await talk.say("Hello?") == APOLOGY
    assert await talk.say("Hello?") == "Yes."
    assert await talk.reply("Greet the person.") == "Hello, this is Ada, the demo agent. How can I help you?"
    assert await talk.say("Hm?") == "Sorry, could you say that again?"


async def test_an_unreachable_endpoint_gets_an_apology() -> None:
    nobody = ChatEndpoint("http://127.0.0.1:9/v1", "llama3", "")
    assert await new_conversation(nobody).say("Hello?") == APOLOGY
    await nobody.close()


async def test_a_given_greeting_is_spoken_verbatim(server: ChatServer, endpoint: ChatEndpoint) -> None:
    assert await new_conversation(endpoint).reply('Say: "Welcome to Luigi\'s."') == "Welcome to Luigi's."
    assert server.requests == []
