"""One POST to a developer's tool server: sent once, never cut off, always in the webhook log.

The log entry is begun before the request leaves and ended when the answer is there, so that after the death of this process
`give_up_lost` can say what is known.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from calls import live_control, timeline
from calls.recorder import WRITER
from calls.session import outliving
from calls.session.parts import LateResults
from calls.tool_results import ToolAnswer, read_answer
from webhooks import outbox
from webhooks.outbound_http import TIMEOUT_SECONDS, PostResult, get_client
from webhooks.outbox import Exchange, SigningKeys

logger = logging.getLogger(__name__)
# The request does not wait longer than this for its log entry: a database that is away must not stop a call's tools.
LOG_ENTRY_SECONDS = 0.5
# Longer than a request can take, and the write of its answer.
LOST_AFTER = timedelta(seconds=60)
# How long the session that takes over a call may need until it can take the result of a tool.
HAND_ON_SECONDS = 6.0
LOST = "The outcome is not known: our process ended before the response arrived."
_threads = ThreadPoolExecutor(4, thread_name_prefix="tool-log")

# Uses an answer, and gives it back with a `problem` if that cannot be done.
Judge = Callable[[PostResult, ToolAnswer], Awaitable[ToolAnswer]]


async def send(exchange: Exchange, keys: SigningKeys, judge: Judge | None = None) -> ToolAnswer:
    """Send it and read the answer. Whoever waits may be cancelled; the request and its `judge` are not."""
    return await asyncio.shield(outliving.start(_send(exchange, keys, judge)))


async def _send(exchange: Exchange, keys: SigningKeys, judge: Judge | None) -> ToolAnswer:
    await _begin(exchange)
    timestamp = int(exchange.started_at.timestamp())
    headers = outbox.signature_headers(keys, exchange.body, exchange.webhook_id, timestamp)
    response = await get_client().post(exchange.url, body=exchange.body.encode(), headers=headers)
    answer = read_answer(response)
    if judge is not None:
        answer = await judge(response, answer)
    if response.error is None and answer.problem:
        response = replace(response, error=answer.problem)
    WRITER.put(lambda: outbox.end_exchange(exchange, response))
    return answer


async def _begin(exchange: Exchange) -> None:
    begun = asyncio.get_running_loop().run_in_executor(_threads, _write_begin, exchange)
    await asyncio.wait([begun], timeout=LOG_ENTRY_SECONDS)


def _write_begin(exchange: Exchange) -> None:
    try:
        outbox.begin_exchange(exchange)
    except DatabaseError:  # it is written together with the answer
        logger.warning("A tool call's log entry waits for the database.", extra={"subject": exchange.subject})
    finally:
        connection.close()  # back to the pool


def late_results(call_id: int) -> LateResults:
    """For a tool that is at work when its session leaves the call to another one, which is about to be there."""

    async def hand_on(name: str, result: Mapping[str, Any]) -> bool:
        loop = asyncio.get_running_loop()
        message = {"type": "session.tool_result", "tool": name, "result": result}
        deadline = loop.time() + HAND_ON_SECONDS
        while not await loop.run_in_executor(_threads, live_control.ask_session, call_id, message):
            if loop.time() >= deadline:
                return False
        return True

    return hand_on


async def finished() -> None:
    """At the end of this process: let the tools that are at work come to their end, and write down what came of them."""
    await outliving.finished(TIMEOUT_SECONDS + HAND_ON_SECONDS + LOG_ENTRY_SECONDS)
    await WRITER.drained()


def give_up_lost(now: datetime) -> None:
    """End the log entries of requests whose process died, and tell the timelines of their calls."""
    with transaction.atomic():
        for delivery in outbox.lost_exchanges(now - LOST_AFTER):
            outbox.give_up_exchange(delivery, LOST)
            timeline.add_event(
                int(delivery.subject.removeprefix("call:")),
                "tool.abandoned",
                "system",
                at=now,
                tool=json.loads(delivery.body)["tool"],
                reason="process_ended",
            )
