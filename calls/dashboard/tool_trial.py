"""Testing a developer's tool from the agent editor: the POST that a call would send, outside of any call."""

import json
import shlex
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Developer
from agents import secrets
from agents.agent_settings import resolution
from agents.models import Agent
from agents.tools.definitions import tool_problems
from agents.tools.http_tools import HttpRequest, build_request, http_tools
from agents.tools.secret_tokens import MASK, names_in_tools
from agents.variables import built_in_values, values_of
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.network.waiting import run_waiting
from bubblyphone.core.redis.ratelimit import at_most
from calls.live.http_tool_calls import readable_url
from calls.live.tool_calls import CallFacts, tool_call_body
from calls.live.tool_requests import Outgoing, exchange, request_headers
from calls.live.tool_results import ToolAnswer, read_answer, read_document
from phone_numbers.models import PhoneNumber
from phone_numbers.selectors import numbers_of
from webhooks.http.outbound_http import OutboundClient, PostResult, validate_webhook_url
from webhooks.sending.signing import SigningKeys, signature_headers, signing_keys

TOO_MANY = "Two tool tests are already running."
CALLER = "+15551234567"
AT_ONCE = 2  # concurrent tests per account
LEASE_SECONDS = 15  # longer than one takes
# What the server gets in place of a call's.
FACTS = CallFacts(call_id="trial", from_number="", to_number="", direction="inbound")


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a test. `signed_as` is the number whose secret signed."""

    request: str
    answer: PostResult
    read: ToolAnswer
    signed_as: PhoneNumber | None

    @property
    def result(self) -> Mapping[str, Any]:
        """What the model would receive."""
        return self.read.result

    @property
    def problem(self) -> str:
        """Why the response could not be used, for the author of the server; "" if it could."""
        return self.answer.error or self.read.problem

    @property
    def is_usable(self) -> bool:
        return "error" not in self.result

    def shown(self) -> dict[str, Any]:
        """The values for the page, as plain data that a session can store."""
        return {
            "is_usable": self.is_usable,
            "error": self.result.get("error", ""),
            "problem": self.problem,
            "status": self.answer.status,
            "latency_ms": self.answer.latency_ms,
            "signed_as": self.signed_as.e164 if self.signed_as is not None else "",
            "request": self.request,
            "answer": self.answer.body or self.answer.error,
        }


def try_tool(*, developer: Developer, agent_id: int | None, url: str, name: str, arguments: Mapping[str, Any]) -> Trial:
    """POST a tool call to `url`, for up to 10 s and outside of transactions.

    Signed with the secret of a number that the agent is linked to, otherwise of any of the developer's numbers, otherwise not at all.
    Raises Django's ValidationError for a forbidden URL, TooManyRequests while two other tests are running.
    """
    validate_webhook_url(url)
    now = timezone.now()
    number = signing_number(developer, agent_id)
    facts = replace(FACTS, to_number=number.e164 if number else "")
    body = tool_call_body(facts, name, arguments, at=now)
    with at_most(AT_ONCE, f"tool-trial:{developer.pk}", lease_seconds=LEASE_SECONDS, message=TOO_MANY):
        answer = post_signed(url, body, number, now)
    pretty = json.dumps(parse_stored_json(body), indent=2, ensure_ascii=False)
    return Trial(request=pretty, answer=answer, read=read_answer(answer), signed_as=number)


def try_http_tool(
    *, developer: Developer, agent_id: int | None, definition: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Trial:
    """The same for a tool with its own URL and timeout.

    The request is shown as a curl command with masked secrets. Raises ValueError for a definition or arguments that yield no valid
    request, and TooManyRequests as above.
    """
    if problems := tool_problems([definition]):
        raise ValueError(" ".join(f"{path.removeprefix('0.')}: {texts[0]}" for path, texts in problems.items()))
    tool = http_tools([definition])[definition["name"]]
    now = timezone.now()
    number = signing_number(developer, agent_id)
    facts = replace(FACTS, to_number=number.e164 if number else "")
    event = tool_call_body(facts, tool.name, arguments, at=now)
    agent = Agent.objects.filter(developer=developer, pk=agent_id).first() if agent_id is not None else None
    values = _sample_values(developer, facts, agent)
    found = secrets.values_of(developer.pk, names_in_tools([definition]))
    try:
        sent = build_request(tool, arguments, values, found.value, event=event)
    except KeyError as error:
        raise ValueError(f"There is no secret {error.args[0]}.") from None
    shown = build_request(tool, arguments, values, lambda _: MASK, event=event)
    keys = signing_keys(number.signing_secret) if number else None
    key, webhook_id, timestamp = f"{facts.call_id}:{uuid.uuid4()}", str(uuid.uuid4()), int(now.timestamp())
    outgoing = Outgoing(sent, tool.timeout_seconds, key, found)
    seconds = LEASE_SECONDS + tool.timeout_seconds
    with at_most(AT_ONCE, f"tool-trial:{developer.pk}", lease_seconds=seconds, message=TOO_MANY):
        answer = run_waiting(_exchange, outgoing, keys, webhook_id, timestamp)
    curl = as_curl(shown, request_headers(shown, key, keys, webhook_id, timestamp))
    return Trial(request=curl, answer=answer, read=read_document(answer, tool.result_path)[0], signed_as=number)


def _sample_values(developer: Developer, facts: CallFacts, agent: Agent | None) -> dict[str, str]:
    built_in = built_in_values(
        at=timezone.now(),
        time_zone=developer.time_zone,
        remote_number=CALLER,
        agent_number=facts.to_number,
        direction=facts.direction,
        call_id=facts.call_id,
    )
    defaults = (resolution.resolve(request={}, request_agent=agent, number=None).default_variables) if agent else {}
    return values_of({}, built_in, defaults)


def as_curl(request: HttpRequest, headers: Mapping[str, str]) -> str:
    """The request as a command for a shell."""
    lines = [f"curl -X {request.method} {shlex.quote(readable_url(request))}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    lines += [f"-d {shlex.quote(request.body)}"] if request.body else []
    return " \\\n  ".join(lines)


async def _exchange(outgoing: Outgoing, keys: SigningKeys | None, webhook_id: str, timestamp: int) -> PostResult:
    async with aclosing(OutboundClient()) as client:
        return await exchange(client, outgoing, keys, webhook_id, timestamp)


def signing_number(developer: Developer, agent_id: int | None, number_id: int | None = None) -> PhoneNumber | None:
    """The number whose secret signs the test: `number_id`, else one that the agent answers, else any of the developer's."""
    numbers = numbers_of(developer).select_related("signing_secret").order_by("pk")
    return (
        (numbers.filter(pk=number_id).first() if number_id is not None else None)
        or (numbers.filter(agent_id=agent_id).first() if agent_id is not None else None)
        or numbers.first()
    )


def post_signed(url: str, body: str, number: PhoneNumber | None, now: datetime) -> PostResult:
    """Send one POST request, signed with the number's secret if there is a number."""
    headers = {"Content-Type": "application/json"}
    if number is not None:
        headers = signature_headers(signing_keys(number.signing_secret), body, str(uuid.uuid4()), int(now.timestamp()))
    return run_waiting(_post, url, body, headers)


async def _post(url: str, body: str, headers: Mapping[str, str]) -> PostResult:
    async with aclosing(OutboundClient()) as client:
        return await client.post(url, body=body.encode(), headers=headers)
