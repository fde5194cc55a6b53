"""What a model is told of the call beside its developer's prompt and `agents.cues`, and the one sentence that callers hear from us."""

from collections.abc import Mapping
from typing import Any

import orjson

STAY_MEANWHILE = (
    "A person is being called and will be told what this is about. Tell the caller so, and stay with them until then."
)
APOLOGY = "I am sorry, something is wrong on our side."


def not_handed_over(reason: str) -> str:
    """`reason` is a hang-up cause."""
    return f"The call could not be handed over ({reason.replace('_', ' ')}). The caller is with you again."


def late_result(tool: str, result: Mapping[str, Any]) -> str:
    """The result of a tool that an earlier session of the model had asked for."""
    return f"Result of the tool {tool}, which you asked for before the connection broke off: {orjson.dumps(result).decode()}"


def keys_pressed(keys: str) -> str:
    return f"The caller has pressed these keys of the telephone: {keys}"
