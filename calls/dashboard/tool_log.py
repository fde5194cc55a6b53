"""The tool calls on a call's page: arguments, result, and how long each took."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bubblyphone.core.json.documents import InvalidJSON, parse_foreign_json, parse_stored_json
from calls.models import CallEvent
from webhooks.models import WebhookDelivery

EVENT = "call.tool_call"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One tool call.

    `answer` is the response of the developer's server; built-in tools have none. `latency_ms` None: no response yet.
    """

    name: str
    at: datetime
    arguments: str
    answer: str
    outcome: str  # "HTTP 200", an error, or ""
    latency_ms: int | None
    is_ok: bool | None  # None: unknown


def tool_uses(events: Sequence[CallEvent], deliveries: Sequence[WebhookDelivery]) -> list[ToolUse]:
    """In the order of the model's calls. Requests to the server come from the webhook log, the rest from the timeline."""
    asked = [_from_delivery(delivery) for delivery in deliveries if delivery.event_type == EVENT]
    open_names = [use.name for use in asked]
    found = [*asked, *_from_timeline(events, open_names)]
    return sorted(found, key=lambda use: use.at)


def _from_timeline(events: Sequence[CallEvent], asked: list[str]) -> Iterator[ToolUse]:
    """Calls without a request to a server; `asked` names the others, once each."""
    returned = [event for event in events if event.event_type in {"tool.returned", "tool.abandoned"}]
    for event in events:
        if event.event_type != "tool.called":
            continue
        name = str(event.metadata.get("tool", ""))
        back = next((other for other in returned if other.metadata.get("tool") == name), None)
        if back is not None:
            returned.remove(back)
        if name in asked:
            asked.remove(name)
            continue
        result = back.metadata if back is not None else {}
        yield ToolUse(
            name=name,
            at=event.event_timestamp,
            arguments=_pretty(event.metadata.get("arguments", {})),
            answer="",
            outcome="",
            latency_ms=result.get("latency_ms"),
            is_ok=result.get("ok"),
        )


def _from_delivery(delivery: WebhookDelivery) -> ToolUse:
    body = parse_stored_json(delivery.body) if delivery.body else {}
    arguments = _pretty(body if delivery.method else body.get("arguments", {}))
    if delivery.method:
        arguments = f"{delivery.method} {delivery.url}\n{arguments if body else ''}".strip()
    attempt = next(reversed(delivery.attempts.all()), None)
    status = f"HTTP {attempt.response_status}" if attempt and attempt.response_status else ""
    trouble = (attempt.error_message or "") if attempt else ""
    return ToolUse(
        name=delivery.tool or body.get("tool", ""),
        at=delivery.created_at,
        arguments=arguments,
        answer=_readable(attempt.response_body) if attempt else "",
        outcome=", ".join(text for text in (status, trouble) if text),
        latency_ms=attempt.latency_ms if attempt else None,
        is_ok=delivery.status == WebhookDelivery.Status.DELIVERED if attempt else None,
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _readable(body: str) -> str:
    """Indented JSON; other text unchanged."""
    try:
        return _pretty(parse_foreign_json(body))
    except InvalidJSON:
        return body
