"""Holding what is sent and answered to the API's own description."""

from typing import Any

import jsonschema

from bubblyphone.core.schema import openapi


def check_against(schema: dict[str, Any], value: Any) -> None:
    """Raises jsonschema.ValidationError. References lead into the document."""
    document = {**openapi(), "$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    jsonschema.Draft202012Validator(document).validate(value)


def check_webhook(body: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError where a body is not as its event's description says, KeyError for an unknown event."""
    post = openapi()["webhooks"][body["event"]]["post"]
    check_against(post["requestBody"]["content"]["application/json"]["schema"], body)
