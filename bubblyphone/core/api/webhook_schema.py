"""Webhooks in the API's description (OpenAPI 3.1, `webhooks`): what each app says about the events that it sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bubblyphone.core.api.json_schema import Schema, example_of, moment, record, text


@dataclass(frozen=True)
class Webhook:
    """What an app says about one of its events. `fields` are the body without `event` and `timestamp`."""

    when: str
    fields: Mapping[str, Schema]
    optional: tuple[str, ...] = ()
    at: str = "2026-03-27T12:00:00Z"  # the example's `timestamp`
    is_event: bool = True  # False: a request for one server's answer, which is not among the account's events

    def body(self, event: str) -> Schema:
        """The JSON Schema of the whole body, in the order in which it is sent."""
        fields = {"event": text(event, const=event), **self.fields, "timestamp": moment(example=self.at)}
        return {**record(fields), "required": [name for name in fields if name not in self.optional]}

    def example(self, event: str) -> dict[str, Any]:
        """A body as it is sent."""
        found: dict[str, Any] = example_of(self.body(event))
        return found


def webhooks_section(webhooks: Mapping[str, Webhook]) -> dict[str, Any]:
    """OpenAPI's `webhooks`: each is a POST to the developer's server."""
    return {event: {"post": _operation(event, webhook)} for event, webhook in webhooks.items()}


def _operation(event: str, webhook: Webhook) -> Schema:
    examples = {"example": {"value": webhook.example(event)}}
    return {
        "operationId": f"webhook_{event.replace('.', '_')}",
        "summary": event,
        "description": webhook.when,
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": webhook.body(event), "examples": examples}},
        },
        "responses": {"2XX": {"description": "Received. Any other status is retried."}},
    }


def table(webhooks: Mapping[str, Webhook]) -> list[tuple[str, str, str]]:
    """(event, when, example as it is sent) for the documentation's page."""
    return [
        (event, webhook.when, json.dumps(webhook.example(event), ensure_ascii=False, separators=(",", ":")))
        for event, webhook in webhooks.items()
    ]
