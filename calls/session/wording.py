"""What a model is told in the course of a call, beside its developer's prompt; and the one sentence that callers hear from us."""

from collections.abc import Mapping
from typing import Any

import orjson

GO_ON = "The connection broke off while you were speaking. Go on where you stopped, without repeating what was said."
ANSWER_NOW = (
    "The caller is waiting for an answer. Answer now; if you did not catch what was said, ask for it to be repeated."
)
BACK_ON_THE_LINE = (
    "The line was interrupted for a moment. Say in a few words that you are back, and go on with the conversation."
)
OFFER_TO_GO_ON = "Tell the caller that nobody could be reached, and offer to go on."
STAY_MEANWHILE = (
    "A person is being called and will be told what this is about. Tell the caller so, and stay with them until then."
)
APOLOGY = "I am sorry, something is wrong on our side."


def say_exactly(text: str) -> str:
    return f"Say exactly this to the caller, word for word, and nothing else: {text}"


def not_handed_over(reason: str) -> str:
    """`reason` is a hang-up cause."""
    return f"The call could not be handed over ({reason.replace('_', ' ')}). The caller is with you again."


def late_result(tool: str, result: Mapping[str, Any]) -> str:
    """The result of a tool that an earlier session of the model had asked for."""
    return f"Result of the tool {tool}, which you asked for before the connection broke off: {orjson.dumps(result).decode()}"


def keys_pressed(keys: str) -> str:
    return f"The caller has pressed these keys of the telephone: {keys}"
