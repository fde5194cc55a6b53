"""Requests never to be called again are recognized in many wordings, and nothing else is mistaken for one."""

import pytest

from agents.speech import is_installed
from agents.tools.definitions import ADD_TO_DO_NOT_CALL
from tests.agents.brain.conftest import NewConversation
from tests.agents.brain.restaurant import TOOLS

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not is_installed(), reason="needs the offline packages"),
]


@pytest.mark.parametrize(
    "line",
    [
        "Please put my number on the do-not-call list.",
        "Never call my number again.",
        "Put me on the do not call list, never call me again.",
        "Take me off your list and have a nice day.",
        "Stop calling me.",
        "I don't want you to contact us any more, goodbye.",
    ],
)
async def test_honors_an_opt_out_without_asking(new_conversation: NewConversation, line: str) -> None:
    talk = new_conversation(tools=(ADD_TO_DO_NOT_CALL,))
    assert not (await talk.say(line)).endswith("?")
    assert talk.call == ("add_to_do_not_call", {})
    assert (await talk.tool_answers({"result": "The number is on the list."})).startswith("The number is on the list.")


async def test_an_opt_out_takes_precedence_over_a_pending_question(new_conversation: NewConversation) -> None:
    talk = new_conversation(tools=(*TOOLS, ADD_TO_DO_NOT_CALL))
    assert (await talk.say("I'd like a table for four people tomorrow evening.")).endswith("?")
    await talk.say("No. Please never call me again.")
    assert talk.call == ("add_to_do_not_call", {})


@pytest.mark.parametrize("line", ["Please call me back later.", "Don't call me before nine.", "Am I on a list?"])
async def test_other_mentions_of_calls_are_not_an_opt_out(new_conversation: NewConversation, line: str) -> None:
    talk = new_conversation(tools=(ADD_TO_DO_NOT_CALL,))
    await talk.say(line)
    assert talk.calls == []
