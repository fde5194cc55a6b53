"""A POST to a developer's tool server: sent once, never canceled, always in the webhook log.

The log entry is written before the request is sent and completed with the response, so that `give_up_lost` can report it if this process
dies.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from agents.tools.http_tools import MAX_TIMEOUT_SECONDS, HttpRequest
from agents.tools.secret_tokens import SecretValues
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.monitoring.logs import in_context
from calls import timeline
from calls.control import inbound, lookup, session_messages
from calls.control.session_messages import ToolResult
from calls.live.event_writer import WRITER
from calls.live.tool_results import ToolAnswer, read_answer
from calls.session import detached_tasks
from calls.session.interfaces import LateResults
from webhooks.http.outbound_http import OutboundClient, PostResult, get_client
from webhooks.sending import request_log, signing
from webhooks.sending.request_log import LoggedRequest
from webhooks.sending.signing import SigningKeys

logger = logging.getLogger(__name__)
# The request waits at most this long for its log entry: a database outage must not stop a call's tools.
LOG_ENTRY_SECONDS = 0.5
# Longer than a request and the write of its response can take.
LOST_AFTER = timedelta(seconds=60)
# How long a session that takes over a call may need before it can accept a tool result.
LATE_RESULT_SECONDS = 6.0
LOST = "The result is unknown: our process ended before the response arrived."
_threads = ThreadPoolExecutor(4, thread_name_prefix="tool-log")

# Uses a response, and returns it with a `problem` if it cannot be used.
Judge = Callable[[PostResult, ToolAnswer], Awaitable[ToolAnswer]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that differs from its log entry: it contains secrets, which `secrets` redacts."""

    request: HttpRequest = field(repr=False)
    timeout_seconds: float
    idempotency_key: str
    secrets: SecretValues


async def send(
    request: LoggedRequest, keys: SigningKeys, judge: Judge | None = None, outgoing: Outgoing | None = None
) -> ToolAnswer:
    """Send it and read the response. The waiting task may be canceled; the request and its `judge` are not."""
    return await asyncio.shield(detached_tasks.start(_send(request, keys, judge, outgoing)))


async def _send(
    request: LoggedRequest, keys: SigningKeys, judge: Judge | None, outgoing: Outgoing | None
) -> ToolAnswer:
    await _begin(request)
    timestamp = int(request.started_at.timestamp())
    if outgoing is None:
        headers = signing.signature_headers(keys, request.body, request.webhook_id, timestamp)
        response = await get_client().post(request.url, body=request.body.encode(), headers=headers)
    else:
        response = await exchange(get_client(), outgoing, keys, request.webhook_id, timestamp)
    answer = read_answer(response)
    if judge is not None:
        answer = await judge(response, answer)
    if response.error is None and answer.problem:
        response = replace(response, error=answer.problem)
    WRITER.put(lambda: request_log.end_request(request, response))
    return answer


def request_headers(
    request: HttpRequest, idempotency_key: str, keys: SigningKeys | None, webhook_id: str, timestamp: int
) -> dict[str, str]:
    """The tool's own headers, and ours. Without `keys` it is not signed."""
    ours = signing.signature_headers(keys, request.body, webhook_id, timestamp) if keys else {}
    ours["Content-Type"] = "application/json"
    own = {name.lower() for name in request.headers} | (set() if request.body else {"content-type"})
    ours = {name: value for name, value in ours.items() if name.lower() not in own}
    return {**ours, **request.headers, "Idempotency-Key": idempotency_key}


async def exchange(
    client: OutboundClient, outgoing: Outgoing, keys: SigningKeys | None, webhook_id: str, timestamp: int
) -> PostResult:
    """A tool request, repeated only if no connection was made. The result contains no secrets."""
    sent = outgoing.request
    response = await client.request(
        sent.method,
        sent.url,
        body=sent.body.encode(),
        headers=request_headers(sent, outgoing.idempotency_key, keys, webhook_id, timestamp),
        timeout_seconds=outgoing.timeout_seconds,
        retries=1,
    )
    redact = outgoing.secrets.redact
    error = redact(response.error) if response.error else response.error
    return replace(response, body=redact(response.body, is_whole=response.is_whole), error=error)


async def _begin(request: LoggedRequest) -> None:
    begun = asyncio.get_running_loop().run_in_executor(_threads, in_context(_write_begin, request))
    await asyncio.wait([begun], timeout=LOG_ENTRY_SECONDS)


def _write_begin(request: LoggedRequest) -> None:
    try:
        request_log.begin_request(request)
    except DatabaseError:  # it is written together with the response
        logger.warning(
            "The database is not available. A tool call's log entry is queued.", extra={"subject": request.subject}
        )
    finally:
        connection.close()  # back to the pool


def late_results(call_id: int) -> LateResults:
    """For a tool that is still running when its session leaves the call to another one, which is about to start."""

    async def deliver(name: str, result: Mapping[str, Any]) -> bool:
        loop = asyncio.get_running_loop()
        message = ToolResult(name, result)
        deadline = loop.time() + LATE_RESULT_SECONDS
        while not await loop.run_in_executor(_threads, in_context(session_messages.ask_session, call_id, message)):
            if loop.time() >= deadline:
                return False
        return True

    return deliver


async def finished() -> None:
    """At the end of this process: wait for running tools, and record their results."""
    await detached_tasks.finished(MAX_TIMEOUT_SECONDS + LATE_RESULT_SECONDS + LOG_ENTRY_SECONDS)
    await WRITER.drained()


def give_up_lost(now: datetime) -> None:
    """Complete the log entries of requests whose process died, and add them to their calls' timelines."""
    with transaction.atomic():
        for delivery in request_log.lost_requests(now - LOST_AFTER):
            request_log.give_up_request(delivery, LOST)
            call_id = int(delivery.subject.removeprefix("call:"))
            if delivery.event_type == lookup.EVENT:
                inbound.finish_lookup(call_id, lookup.LOST)
                continue
            timeline.add_event(
                call_id,
                "tool.abandoned",
                "system",
                at=now,
                tool=delivery.tool or parse_stored_json(delivery.body)["tool"],
                reason="process_ended",
            )
