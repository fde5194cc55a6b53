"""Testing a lookup from the pages of agents and numbers: the POST that a ringing call would send, outside of any call."""

import json
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from accounts.models import Developer
from agents.models import Agent
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.redis.ratelimit import at_most
from calls.control.lookup import WAIT_SECONDS, lookup_body
from calls.control.lookup_reply import LookupOutcome, LookupReply, read_outcome
from calls.dashboard.tool_trial import AT_ONCE, CALLER, LEASE_SECONDS, post_signed, signing_number
from webhooks.http.outbound_http import validate_webhook_url

CALL_ID = "trial"  # the call id that the server receives


def try_lookup(*, developer: Developer, url: str, agent_id: int | None, number_id: int | None) -> dict[str, Any]:
    """POST a lookup to `url`, for up to 10 s and outside of transactions; returns what the page shows, as plain data.

    Signed with the secret of the number, otherwise of one that the agent answers, otherwise of any of the developer's numbers, otherwise
    not at all. Raises Django's ValidationError for a forbidden URL, TooManyRequests while two other tests are running.
    """
    validate_webhook_url(url)
    now = timezone.now()
    number = signing_number(developer, agent_id, number_id)
    body = lookup_body(
        call_id=CALL_ID,
        from_number=CALLER,
        to_number=number.e164 if number else "",
        phone_number_id=str(number.pk) if number else "",
        agent_id=str(agent_id) if agent_id else None,
        at=now,
    )
    message = "Two lookup tests are already running."
    with at_most(AT_ONCE, f"lookup-trial:{developer.pk}", lease_seconds=LEASE_SECONDS, message=message):
        answer = post_signed(url, body, number, now)
    outcome = _checked(developer, read_outcome(answer))
    return {
        "is_usable": outcome.reply is not None,
        "is_late": answer.latency_ms > WAIT_SECONDS * 1000,
        "problem": outcome.detail,
        "effects": list(_effects(outcome.reply)) if outcome.reply else [],
        "status": answer.status,
        "latency_ms": answer.latency_ms,
        "signed_as": number.e164 if number else "",
        "request": json.dumps(parse_stored_json(body), indent=2, ensure_ascii=False),
        "answer": answer.body or answer.error,
    }


def _checked(developer: Developer, outcome: LookupOutcome) -> LookupOutcome:
    reply = outcome.reply
    if reply is None or reply.agent_id is None:
        return outcome
    if Agent.objects.filter(developer=developer, pk=reply.agent_id).exists():
        return outcome
    return LookupOutcome(reason="malformed", detail=f"agent_id: Agent {reply.agent_id} does not exist.")


def _effects(reply: LookupReply) -> Iterator[str]:
    """The effects of the reply on a call, in words."""
    if reply.reject:
        yield "The call is rejected. The caller hears a busy signal."
    if reply.agent_id is not None:
        yield f"Agent {reply.agent_id} answers."
    if reply.dynamic_variables:
        yield f"Sets variables: {', '.join(reply.dynamic_variables)}."
    if reply.metadata:
        yield f"Sets metadata: {', '.join(reply.metadata)}."
    if reply.greeting_message:
        yield "Sets the greeting."
