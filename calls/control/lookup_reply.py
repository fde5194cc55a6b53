"""Parses a lookup reply strictly: it is used as a whole, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.agent_settings.declarations import KINDS
from agents.agent_settings.kinds import Text
from agents.variables import MAX_VALUE_CHARACTERS, NAME
from bubblyphone.core.json.documents import InvalidJSON, parse_lenient_json
from calls.metadata import metadata_problems
from webhooks.http.outbound_http import PostResult

LARGEST_ID = 2**63 - 1
LARGEST_ID_DIGITS = len(str(LARGEST_ID))  # Python refuses to parse a number with thousands of digits


@dataclass(frozen=True, slots=True)
class LookupReply:
    """Everything is optional."""

    agent_id: int | None = None
    dynamic_variables: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    greeting_message: str = ""
    reject: bool = False


@dataclass(frozen=True, slots=True)
class LookupOutcome:
    """The outcome of a lookup: a reply, or why there is none. `reason` is for machines, `detail` for the developer."""

    reply: LookupReply | None = None
    reason: str = ""
    detail: str = ""
    latency_ms: int | None = None


class MalformedReply(Exception):
    """The message is for the author of the reply."""


def read_outcome(response: PostResult) -> LookupOutcome:
    """The meaning of a response. An empty body is an empty reply, not a failure."""
    if response.status is None:
        reason = "timeout" if response.is_timeout else "unreachable"
        return LookupOutcome(reason=reason, detail=response.error or "", latency_ms=response.latency_ms)
    problem = response.error or ""
    if not problem and not 200 <= response.status < 300:
        problem = f"The server responded with status {response.status}."
    if not problem and not response.is_whole:
        problem = "The response is too long."
    if problem:
        reason = "timeout" if response.is_timeout else "bad_response"
        return LookupOutcome(reason=reason, detail=problem, latency_ms=response.latency_ms)
    try:
        return LookupOutcome(parse_reply(response.body), latency_ms=response.latency_ms)
    except MalformedReply as error:
        return LookupOutcome(reason="malformed", detail=str(error), latency_ms=response.latency_ms)


def parse_reply(body: str) -> LookupReply:
    """Parse a response body; unknown fields are ignored, and null counts as absent. Raises MalformedReply."""
    if not body.strip():
        return LookupReply()
    try:
        said = parse_lenient_json(body)
    except InvalidJSON as error:
        raise MalformedReply(f"The response is {error}.") from None
    if not isinstance(said, dict):
        raise MalformedReply("The response must be a JSON object.")
    return LookupReply(
        agent_id=_agent_id(said.get("agent_id")),
        dynamic_variables=_variables(said.get("dynamic_variables")),
        metadata=_metadata(said.get("metadata")),
        greeting_message=_greeting(said.get("greeting_message")),
        reject=_flag(said.get("reject")),
    )


def _agent_id(value: Any) -> int | None:
    """A number, or digits in a string, as in the request."""
    if value in (None, ""):
        return None
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= LARGEST_ID_DIGITS
    if not is_number or int(digits) > LARGEST_ID:
        raise MalformedReply('"agent_id" must be the ID of an agent.')
    return int(digits)


def _variables(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedReply('"dynamic_variables" must be an object with string values.')
    for name, text in value.items():
        if not NAME.fullmatch(name):
            raise MalformedReply(f'"dynamic_variables" has an invalid name: {name[:40]!r}.')
        if not isinstance(text, str) or len(text) > MAX_VALUE_CHARACTERS or "\x00" in text:
            raise MalformedReply(
                f"dynamic_variables.{name[:40]} must be a string of at most {MAX_VALUE_CHARACTERS} characters."
            )
    return value


def _metadata(value: Any) -> dict[str, str]:
    problems = {} if value is None else metadata_problems(value)
    for key, texts in problems.items():
        raise MalformedReply(f"metadata{f'.{key[:40]}' if key else ''}: {texts[0]}")
    return value or {}


def _greeting(value: Any) -> str:
    kind = KINDS["greeting_message"]
    assert isinstance(kind, Text)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > kind.max_length or "\x00" in value:
        raise MalformedReply(f'"greeting_message" must be a string of at most {kind.max_length} characters.')
    return value


def _flag(value: Any) -> bool:
    if value not in (None, True, False) or (isinstance(value, int) and not isinstance(value, bool)):
        raise MalformedReply('"reject" must be true or false.')
    return bool(value)
