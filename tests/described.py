"""Validates requests and responses against the API's own description."""

from typing import Any

import jsonschema

from bubblyphone.core.api.openapi import openapi


def check_against(schema: dict[str, Any], value: Any) -> None:
    """Raises jsonschema.ValidationError. References are resolved within the document."""
    document = {**openapi(), "$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    jsonschema.Draft202012Validator(document).validate(value)


def check_webhook(body: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError if a body does not match its event's description, KeyError for an unknown event."""
    post = openapi()["webhooks"][body["event"]]["post"]
    check_against(post["requestBody"]["content"]["application/json"]["schema"], body)
