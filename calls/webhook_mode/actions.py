"""A developer's response to `call.incoming` and `call.speech`: one action, parsed strictly."""

from dataclasses import dataclass
from typing import Any

from bubblyphone.core.json.documents import InvalidJSON, parse_lenient_json
from bubblyphone.core.numbering.e164 import is_e164
from calls.max_lengths import MAX_SHOWN_CHARACTERS

MAX_TEXT_CHARACTERS = 5000
NAMES = ("answer", "speak", "transfer", "hangup")


class MalformedAction(Exception):
    """Not an action; the message is for the author of the response."""


class MalformedTransfer(MalformedAction):
    """A transfer without a usable number; `to` is the given value."""

    def __init__(self, message: str, to: str) -> None:
        super().__init__(message)
        self.to = to


@dataclass(frozen=True, slots=True)
class Action:
    """`text` is set for speak and optionally for answer, `to` for transfer."""

    name: str
    text: str = ""
    to: str = ""


def parse_action(body: str) -> Action:
    """Parse a response body; other fields are ignored. Raises MalformedAction."""
    try:
        answer = parse_lenient_json(body)
    except InvalidJSON as error:
        raise MalformedAction(
            f'The response is {error}. Respond with an action, like {{"action": "hangup"}}.'
        ) from None
    if not isinstance(answer, dict) or "action" not in answer:
        raise MalformedAction('The response has no "action".')
    name = answer["action"]
    if name not in NAMES:
        raise MalformedAction(f'"action" must be one of {", ".join(NAMES)}.')
    if name == "transfer":
        return Action(name, to=_number(answer.get("to")))
    if name == "speak" or (name == "answer" and answer.get("text") not in (None, "")):
        return Action(name, text=_text(answer.get("text"), name))
    return Action(name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise MalformedAction(f'"{name}" requires a "text".')
    if len(value) > MAX_TEXT_CHARACTERS:
        raise MalformedAction(f'"text" must have at most {MAX_TEXT_CHARACTERS} characters.')
    return value


def _number(value: Any) -> str:
    if not isinstance(value, str) or not is_e164(value):
        text = '"transfer" requires a "to": a phone number in E.164 format, like +14155550100.'
        raise MalformedTransfer(text, "" if value is None else str(value)[:MAX_SHOWN_CHARACTERS])
    return value
