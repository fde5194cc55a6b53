"""Tools with their own URL: the request sent to a developer's API, and the result for the model.

Secrets are filled in here and nowhere else. The webhook log, the timeline, and the model see masks.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from django.db import transaction
from django.utils import timezone

from agents.tools.http_tools import HttpRequest, HttpTool, UnusableRequest, build_request, saved_values
from agents.tools.secret_tokens import MASK, SecretValues
from calls import timeline
from calls.live import tool_requests
from calls.live.event_writer import WRITER, LockingWrite
from calls.live.tool_calls import EVENT, CallFacts, SigningIdentity, tool_call_body
from calls.live.tool_results import FAILED, ToolAnswer, read_document
from calls.models import Call
from calls.session.interfaces import ToolRunner
from webhooks.http.outbound_http import MAX_URL_LENGTH, PostResult
from webhooks.sending import request_log
from webhooks.sending.request_log import LoggedRequest


@dataclass(kw_only=True, eq=False, repr=False)
class HttpTools:
    """Runs HTTP tools.

    All other tools go to `others`. `values` are all variables of the call, which tools can extend; additions are also in
    `facts.variables`.
    """

    facts: CallFacts
    tools: Mapping[str, HttpTool]
    signing_identity: SigningIdentity
    secrets: SecretValues
    values: dict[str, str]
    others: ToolRunner

    async def __call__(self, name: str, arguments: Mapping[str, Any], call_id: str) -> Mapping[str, Any]:
        tool = self.tools.get(name)
        if tool is None:
            return await self.others(name, arguments, call_id)
        return (await self._send(tool, arguments, call_id)).result

    async def _send(self, tool: HttpTool, arguments: Mapping[str, Any], call_id: str) -> ToolAnswer:
        now = timezone.now()
        event = tool_call_body(self.facts, tool.name, arguments, at=now)
        logged = LoggedRequest(
            developer_id=self.signing_identity.developer_id,
            signing_secret_id=self.signing_identity.signing_secret_id,
            subject=f"call:{self.facts.call_id}",
            event_type=EVENT,
            webhook_id=str(uuid.uuid4()),
            url=tool.url,
            body="",
            started_at=now,
            tool=tool.name,
            method=tool.method,
        )
        try:
            shown = build_request(tool, arguments, self.values, lambda _: MASK, event=event)
            sent = build_request(tool, arguments, self.values, self.secrets.value, event=event)
        except UnusableRequest as error:
            return _not_sent(logged, str(error))
        except KeyError as error:
            return _not_sent(logged, f"The secret {error.args[0]} does not exist.")
        logged = replace(logged, url=readable_url(shown), body=shown.body)
        key = f"{self.facts.call_id}:{call_id}"
        outgoing = tool_requests.Outgoing(sent, tool.timeout_seconds, key, self.secrets)

        async def judge(response: PostResult, _: ToolAnswer) -> ToolAnswer:
            answer, document = read_document(response, tool.result_path)
            if "error" not in answer.result:
                self._save(saved_values(tool, document))
            return answer

        return await tool_requests.send(logged, self.signing_identity.keys, judge, outgoing)

    def _save(self, saved: dict[str, str]) -> None:
        if not saved:
            return
        self.values.update(saved)
        self.facts.variables.update(saved)
        call_id, at = int(self.facts.call_id), timezone.now()
        WRITER.put(LockingWrite(lambda: save_variables(call_id, saved, at=at)))


def readable_url(shown: HttpRequest) -> str:
    """The URL for people, with its masks unescaped."""
    return shown.url.replace(quote(MASK), MASK)[:MAX_URL_LENGTH]


def _not_sent(logged: LoggedRequest, problem: str) -> ToolAnswer:
    WRITER.put(lambda: request_log.end_request(logged, PostResult(None, "", 0, problem)))
    return ToolAnswer({"error": FAILED}, problem)


def save_variables(call_id: int, saved: Mapping[str, str], *, at: Any) -> None:
    """Store variables set by a tool with the call, for a session that takes over and for readers of the call."""
    with transaction.atomic():
        call = Call.objects.get_for_update(call_id)
        call.dynamic_variables = {**call.dynamic_variables, **saved}
        call.save(update_fields=["dynamic_variables"])
        timeline.add_event(call_id, "variables.saved", "system", at=at, names=list(saved))
