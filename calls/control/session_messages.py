"""What reaches a live session from outside: by its group in the channel layer, in whichever process it is.

Messages are mappings whose `type` begins with "session."; `calls.live.session_runner` reads them. Where the sender must know
what became of one, the answer comes back through a list in Redis, for which it waits.
"""

import asyncio
import logging
import uuid
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer

from bubblyphone.core.redis import get_redis, reached
from bubblyphone.core.waiting import run_waiting

logger = logging.getLogger(__name__)
# Below the time-out of the Redis client.
ANSWER_SECONDS = 1.5
ANSWER_KEPT_SECONDS = 10


def session_group(call_id: int) -> str:
    """The group in which a call's live session listens."""
    return f"call.{call_id}"


def tell_session(call_id: int, message: dict[str, Any]) -> None:
    """Send without waiting. A session that is not there any more does not mind. Raises RedisError."""
    with reached():
        run_waiting(_send, session_group(call_id), message)


async def _send(group: str, message: dict[str, Any]) -> None:
    """The channel layer itself would wait for ever."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await get_channel_layer().group_send(group, message)
    except TimeoutError as error:
        raise NoAnswer("Redis does not take a message.") from error


def ask_session(call_id: int, message: dict[str, Any]) -> bool:
    """Send, and wait until the session confirms. False if it did not, or there is no session."""
    answer_key = f"session-answer:{uuid.uuid4()}"
    try:
        tell_session(call_id, {**message, "answer_key": answer_key})
        answer: Any = get_redis().blpop([answer_key], timeout=ANSWER_SECONDS)
    except RedisError:
        logger.exception("Sending a command to a live session failed", extra={"call_id": call_id})
        return False
    return answer is not None and answer[1] == b"1"


def answer(answer_key: str, *, done: bool) -> None:
    """The session's answer to `ask_session`."""
    redis = get_redis()
    redis.rpush(answer_key, int(done))
    redis.expire(answer_key, ANSWER_KEPT_SECONDS)
