"""Messages to a live session, sent through its group in the channel layer to whichever process has it.

`calls.live.control_loop` handles them. If the sender must know the outcome, it waits for the answer in a Redis list.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from channels.layers import get_channel_layer
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

from bubblyphone.core.network.waiting import run_waiting
from bubblyphone.core.redis.client import get_redis, reached

logger = logging.getLogger(__name__)
# Below the timeout of the Redis client.
ANSWER_SECONDS = 1.5
ANSWER_KEPT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Leave:
    """Another session has taken over the call."""


@dataclass(frozen=True, slots=True)
class End:
    cause: str


@dataclass(frozen=True, slots=True)
class TransferBegun:
    is_warm: bool


@dataclass(frozen=True, slots=True)
class TransferFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class PersonAnswered:
    pass


@dataclass(frozen=True, slots=True)
class MachineAnswered:
    pass


@dataclass(frozen=True, slots=True)
class ScreeningDetected:
    """The phone asks who is calling."""


@dataclass(frozen=True, slots=True)
class GreetingEnded:
    """The greeting of an answering machine ended."""

    seconds_ago: float


@dataclass(frozen=True, slots=True)
class AddContext:
    """Context for the model. Answered with whether it was received. `by` is the sender."""

    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Result of a tool that a previous session of this call had started; answered."""

    tool: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Speak:
    """A text to speak to the caller; answered."""

    text: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The carrier reports a DTMF key, apart from the stream. `event_id` is the report's."""

    event_id: str
    digit: str
    seconds_ago: float


@dataclass(frozen=True, slots=True)
class Whisper:
    """An instruction for the model from someone who follows the call; answered."""

    text: str
    by: str


@dataclass(frozen=True, slots=True)
class Listen:
    """A page starts or continues to listen; without this message for some seconds it stops.

    Answered. `listener` is the id of the connection, `by` the account user's name.
    """

    listener: str
    by: str


@dataclass(frozen=True, slots=True)
class StopListening:
    listener: str


@dataclass(frozen=True, slots=True)
class TakeOverCall:
    """The listener takes the agent's place; answered, with the reason if it is not possible."""

    listener: str
    by: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Returns the call to the agent; `reason` is for the timeline."""

    listener: str
    reason: str


SessionMessage = (
    Leave
    | End
    | TransferBegun
    | TransferFailed
    | PersonAnswered
    | MachineAnswered
    | GreetingEnded
    | ScreeningDetected
    | AddContext
    | ToolResult
    | Speak
    | KeyPressed
    | Whisper
    | Listen
    | StopListening
    | TakeOverCall
    | GiveBack
)
_TYPES: dict[str, type[SessionMessage]] = {kind.__name__: kind for kind in get_args(SessionMessage)}


def encode(message: SessionMessage) -> dict[str, Any]:
    """The message in the format of the channel layer."""
    return {"type": type(message).__name__, **{entry.name: getattr(message, entry.name) for entry in fields(message)}}


def decode(carried: Mapping[str, Any]) -> SessionMessage | None:
    """None for a message of another release that this one does not know."""
    kind = _TYPES.get(carried["type"])
    if kind is None:
        return None
    return kind(**{entry.name: carried[entry.name] for entry in fields(kind) if entry.name in carried})


def session_group(call_id: int) -> str:
    """The group in which a call's live session listens."""
    return f"call.{call_id}"


def listeners_group(call_id: int) -> str:
    """The group of the pages that follow a call."""
    return f"call.{call_id}.listeners"


def microphone_group(call_id: int) -> str:
    """The group in which a session receives the microphone of the person who has taken over its call."""
    return f"call.{call_id}.microphone"


def tell_session(call_id: int, message: SessionMessage) -> None:
    """Send without waiting. Does nothing if the session is gone. Raises RedisError."""
    with reached():
        run_waiting(_send, session_group(call_id), encode(message))


async def _send(group: str, message: dict[str, Any]) -> None:
    """The channel layer itself would wait forever."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await get_channel_layer().group_send(group, message)
    except TimeoutError as error:
        raise NoAnswer("Redis did not accept a message.") from error


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """The outcome of a message. `reason`: why it was not carried out, in words for the sender; "" if no session answered."""

    is_done: bool
    reason: str = ""


def ask_session(call_id: int, message: SessionMessage) -> bool:
    """Send, and wait until the session confirms. False if it did not, or there is no session."""
    return ask(call_id, message).is_done


def ask(call_id: int, message: SessionMessage) -> SessionAnswer:
    """The same, with the reason of a refusal."""
    answer_key = f"session-answer:{uuid.uuid4()}"
    try:
        with reached():
            run_waiting(_send, session_group(call_id), {**encode(message), "answer_key": answer_key})
        answer: Any = get_redis().blpop([answer_key], timeout=ANSWER_SECONDS)
    except RedisError:
        logger.exception("Sending a command to a live session failed", extra={"call_id": call_id})
        return SessionAnswer(is_done=False)
    if answer is None:
        return SessionAnswer(is_done=False)
    done, _, reason = answer[1].decode().partition(" ")
    return SessionAnswer(is_done=done == "1", reason=reason)


def answer(answer_key: str, *, done: bool, reason: str = "") -> None:
    """The session's answer to `ask`."""
    redis = get_redis()
    redis.rpush(answer_key, f"{int(done)} {reason}".strip())
    redis.expire(answer_key, ANSWER_KEPT_SECONDS)
