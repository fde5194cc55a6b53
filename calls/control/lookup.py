"""The inbound lookup: while a call rings, the developer's server can say who is calling, which agent answers, or reject the call.

The call waits for `WAIT_SECONDS` at most and then continues with what is known. The request itself has the timeout of any webhook, so
that the log shows when a late response arrived. If this process dies, `calls.clock.sweeper` continues the call.
"""

import asyncio
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.utils import timezone

from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig, Source
from agents.model_catalog import model_rules
from agents.models import Agent
from agents.selectors import running_slug
from agents.versions import answering_version
from bubblyphone.core.api.views import format_time
from bubblyphone.core.errors import InsufficientFunds
from calls import timeline
from calls.charging.admission import check_daily_caps
from calls.charging.call_prices import model_price
from calls.charging.daily_caps import Scope
from calls.control import call_variables, commands, lifecycle
from calls.control.lookup_reply import LookupOutcome, LookupReply, read_outcome
from calls.models import Call, CallStatus, HangupCause
from phone_numbers.models import CallMode, PhoneNumber
from webhooks.http.outbound_http import PostResult, get_client
from webhooks.models import SigningSecret
from webhooks.sending import request_log
from webhooks.sending.body_encoding import encode_body
from webhooks.sending.request_log import LoggedRequest
from webhooks.sending.signing import signature_headers, signing_keys

logger = logging.getLogger(__name__)
R = TypeVar("R")
EVENT = "call.lookup"
# The command to answer is sent within 2.5 s of the ring.
WAIT_SECONDS = 2.3
MAX_AT_ONCE = 100  # per account
TOO_LATE = LookupOutcome(reason="timeout", detail=f"No response within {WAIT_SECONDS:g} seconds.")
TOO_MANY = LookupOutcome(
    reason="too_many_lookups", detail=f"{MAX_AT_ONCE} lookups were already waiting for a response."
)
UNSIGNED = LookupOutcome(reason="unsigned", detail="The signing secret could not be decrypted.")
LOST = LookupOutcome(reason="process_ended", detail="Our process ended before the response arrived.")

# Continues the call (`calls.control.inbound`), and returns the problem with the reply.
Done = Callable[[int, LookupOutcome], str]
_at_once: Counter[int] = Counter()


@dataclass(frozen=True, slots=True)
class _Lookup:
    call_id: int
    request: LoggedRequest
    secret: SigningSecret
    deadline: float
    done: Done


# --- asking -----------------------------------------------------------------------------------------------------------
def begin(call: Call, done: Done) -> None:
    """Send the lookup after the current transaction commits. The call is new and belongs to a number."""
    number = call.phone_number
    assert number is not None
    deadline = time.monotonic() + WAIT_SECONDS
    now = timezone.now()
    request = LoggedRequest(
        developer_id=call.developer_id,
        signing_secret_id=number.signing_secret_id,
        subject=f"call:{call.pk}",
        event_type=EVENT,
        webhook_id=str(uuid.uuid4()),
        url=call.settings.lookup_url,
        body=lookup_body(
            call_id=str(call.pk),
            from_number=call.from_number,
            to_number=call.to_number,
            phone_number_id=str(number.pk),
            agent_id=str(call.agent_id) if call.agent_id else None,
            at=now,
        ),
        started_at=now,
    )
    request_log.begin_request(request)
    call.lookup_pending = True
    call.save(update_fields=["lookup_pending"])
    work = _Lookup(call.pk, request, number.signing_secret, deadline, done)
    transaction.on_commit(lambda: _start(work))


def lookup_body(
    *, call_id: str, from_number: str, to_number: str, phone_number_id: str, agent_id: str | None, at: datetime
) -> str:
    """The request body sent to the developer's server."""
    return encode_body(
        {
            "event": EVENT,
            "call_id": call_id,
            "from": from_number,
            "to": to_number,
            "phone_number_id": phone_number_id,
            "agent_id": agent_id,
            "timestamp": format_time(at),
        }
    )


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """An event loop in its own thread: waiting lookups take no thread from carrier commands."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="lookups", daemon=True).start()
    return loop


def _start(work: _Lookup) -> Future[None]:
    return asyncio.run_coroutine_threadsafe(_ask(work), _loop())


async def _ask(work: _Lookup) -> None:
    account = work.request.developer_id
    if _at_once[account] >= MAX_AT_ONCE:
        await _conclude(work, TOO_MANY)
        return
    _at_once[account] += 1
    try:
        keys = signing_keys(work.secret)
    except InvalidToken:
        logger.exception("Cannot decrypt a signing secret. Is a key missing from ENCRYPTION_KEYS?")
        await _conclude(work, UNSIGNED)
    else:
        timestamp = int(work.request.started_at.timestamp())
        headers = signature_headers(keys, work.request.body, work.request.webhook_id, timestamp)
        post = get_client().post(work.request.url, body=work.request.body.encode(), headers=headers)
        await _await(work, asyncio.ensure_future(post))
    finally:
        _at_once[account] -= 1


async def _await(work: _Lookup, post: "asyncio.Future[PostResult]") -> None:
    """Continue the call with or without the response; then record the response, however late."""
    await asyncio.wait([post], timeout=max(0.0, work.deadline - time.monotonic()))
    is_late = not post.done()
    problem = await _in_thread(work.done, work.call_id, TOO_LATE if is_late else read_outcome(post.result()))
    result = await post
    if is_late and result.error is None:
        problem = "The response arrived too late: the call did not wait for it."
    await _write_down(work, result, problem)


async def _conclude(work: _Lookup, outcome: LookupOutcome) -> None:
    """Nothing was sent."""
    await _in_thread(work.done, work.call_id, outcome)
    await _write_down(work, PostResult(None, "", 0, outcome.detail), "")


async def _write_down(work: _Lookup, result: PostResult, problem: str | None) -> None:
    if result.error is None and problem:
        result = replace(result, error=problem)
    await _in_thread(request_log.end_request, work.request, result)


async def _in_thread(function: Callable[..., R], *arguments: object) -> R | None:
    return await asyncio.wrap_future(commands.in_thread(function, *arguments))


# --- what comes of it -------------------------------------------------------------------------------------------------
def settle(call: Call, outcome: LookupOutcome) -> LookupOutcome:
    """Apply the reply, or its absence, to the call; its row is locked. Returns the final outcome of the lookup."""
    agent: Agent | None = None
    if outcome.reply is not None and not call.is_over:
        agent, outcome = _find_agent(call, outcome.reply, outcome)
    reply = outcome.reply or LookupReply()
    call.lookup_pending = False
    call.metadata = {**call.metadata, **reply.metadata}
    call.save(update_fields=["lookup_pending", "metadata"])
    _note(call, outcome)
    if call.is_over or call.end_requested_at is not None or call.hangup_reported_at is not None:
        return outcome
    if reply.reject and call.status == CallStatus.RINGING and call.answer_requested_at is None:
        _reject(call)
        return outcome
    config = _configure(call, agent, reply)
    if call.mode == CallMode.STREAMING:
        call_variables.put_in(call, config, reply.dynamic_variables)
    else:
        call.config, call.dynamic_variables = config.to_json(), dict(reply.dynamic_variables)
        call.save(update_fields=["config", "dynamic_variables"])
    return outcome


def _note(call: Call, outcome: LookupOutcome) -> None:
    timing: dict[str, Any] = {} if outcome.latency_ms is None else {"latency_ms": outcome.latency_ms}
    if outcome.reply is None:
        about: dict[str, Any] = {"reason": outcome.reason, "detail": outcome.detail, **timing}
        timeline.add_event(call.pk, "lookup.failed", "webhook", **about)
        logger.warning("A lookup failed", extra={"call_id": call.pk, "reason": outcome.reason})
        return
    reply = outcome.reply
    brought: dict[str, Any] = {
        "agent_id": reply.agent_id,
        "variables": sorted(reply.dynamic_variables),
        "metadata": sorted(reply.metadata),
        "greeting_message": bool(reply.greeting_message),
        "reject": reply.reject,
    }
    timeline.add_event(
        call.pk, "lookup.completed", "webhook", **{name: value for name, value in brought.items() if value}, **timing
    )


def _reject(call: Call) -> None:
    """Busy for the caller, and free of charge."""
    now = timezone.now()
    timeline.add_event(call.pk, "call.refused", "webhook", at=now, reason="rejected_by_lookup")
    call.end_requested_at, call.end_requested_cause = now, HangupCause.REJECTED
    lifecycle.finish(call, ended_at=now, cause=HangupCause.REJECTED)
    commands.after_commit(commands.reject, call, call.carrier_call_id, commands.command_id(call, "reject"))


def _find_agent(call: Call, reply: LookupReply, outcome: LookupOutcome) -> tuple[Agent | None, LookupOutcome]:
    """The agent in the reply; if it cannot answer the call, the whole reply is ignored."""
    if reply.agent_id is None:
        return None, outcome
    agent = Agent.objects.filter(developer_id=call.developer_id, pk=reply.agent_id).first()
    if agent is None:
        detail = f"agent_id: Agent {reply.agent_id} does not exist."
        return None, LookupOutcome(reason="malformed", detail=detail, latency_ms=outcome.latency_ms)
    problems = model_rules.usability_problems(_resolve(call, agent)) if call.mode == CallMode.STREAMING else {}
    if problems:
        detail = f"agent_id: Agent {agent.pk} cannot answer. {next(iter(problems.values()))[0]}"
        return None, LookupOutcome(reason="model_unavailable", detail=detail, latency_ms=outcome.latency_ms)
    if agent.pk != call.agent_id:
        before, call.agent = call.agent, agent
        try:
            check_daily_caps(call, timezone.now(), scopes=(Scope.AGENT,))
        except InsufficientFunds as error:
            call.agent = before
            return None, LookupOutcome(reason=error.code, detail=error.message, latency_ms=outcome.latency_ms)
    number = _number_with(call, agent)
    call.agent_version = agent.version if number is None else answering_version(number)
    return agent, outcome


def _number_with(call: Call, agent: Agent) -> PhoneNumber | None:
    """The call's number, if the reply names the agent that it already has: then the number's version of that agent answers."""
    number = call.phone_number
    return number if number is not None and number.agent_id == agent.pk else None


def _resolve(call: Call, agent: Agent) -> CallConfig:
    named = agent if _number_with(call, agent) is None else None
    return resolution.resolve(request={}, request_agent=named, number=call.phone_number)


def _configure(call: Call, agent: Agent | None, reply: LookupReply) -> CallConfig:
    """The configuration with the reply applied. Saves the dependent fields on the call, but not `config` itself."""
    config = call.settings
    if agent is not None:
        config = _resolve(call, agent)
        call.agent, call.recording_enabled = agent, config.recording_enabled
        if call.mode == CallMode.STREAMING:
            call.model_slug, call.model_rate = running_slug(config.model_slug), model_price(config)
        call.save(update_fields=["agent", "agent_version", "recording_enabled", "model_slug", "model_rate"])
    if reply.greeting_message:
        sources = {**config.sources, "greeting_message": Source.LOOKUP.value}
        config = replace(config, greeting_message=reply.greeting_message, sources=sources)
    return config
