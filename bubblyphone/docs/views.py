"""The OpenAPI description at /api/v1/schema, the guides, and the data shown for each operation."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import PublicView
from bubblyphone.core.api.json_schema import Schema
from bubblyphone.core.api.openapi import PREFIX, description, openapi
from bubblyphone.core.api.webhook_schema import table
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.docs import code_samples
from bubblyphone.docs.own_ids import with_own_ids

# Deeper parts of bodies are only shown in the examples.
DEEPEST = 3
_PATH_ID = re.compile(r"/([a-z-]+)/\{\w+\}")
GUIDES = {
    "quick-start": "Quick start",
    "tools": "Tools and lookup",
    "webhooks": "Webhooks",
    "sandbox": "Sandbox WebSocket",
    "live": "Live calls",
}

LOOKUP_EXAMPLE = """{
  "dynamic_variables": {"customer_name": "Ada"},
  "metadata": {"customer_id": "1815"},
  "greeting_message": "Greet Ada by name.",
  "agent_id": 3,
  "reject": false
}"""
TOOL_EXAMPLE = """{
  "name": "book_table",
  "description": "Books a table. Call it when the caller has agreed to a day and a time.",
  "parameters": {
    "type": "object",
    "properties": {"day": {"type": "string"}, "time": {"type": "string"}},
    "required": ["day", "time"]
  },
  "url": "https://yourapp.com/bookings",
  "headers": {"Authorization": "Bearer {{secret.BOOKING_KEY}}"}
}"""


class SchemaView(PublicView):
    """GET /schema: the OpenAPI document, without authentication."""

    def get(self, request: Request) -> Response:
        return Response(openapi())


@require_safe
def guide(request: HttpRequest, name: str) -> HttpResponse:
    """The page of one of GUIDES."""
    shown = {
        "guides": GUIDES,
        "guide": name,
        "title": GUIDES[name],
        "base_url": settings.PUBLIC_URL,
        "ws_url": settings.PUBLIC_WS_URL,
        "webhooks": table(description().webhooks),
        "samples": _guide_samples(f"{settings.PUBLIC_URL}{PREFIX}"),
        "lookup_example": LOOKUP_EXAMPLE,
        "tool_example": TOOL_EXAMPLE,
    }
    return with_own_ids(request, render(request, f"docs/{name}.html", shown))


def _guide_samples(api: str) -> dict[str, Any]:
    """The requests that the guides show, each in every language."""

    def sample(method: str, path: str, body: Any = None, key: str = code_samples.KEY) -> list[tuple[str, str]]:
        kind = "application/json" if body else ""
        return code_samples.samples(method, f"{api}{path}", body, key=key, kind=kind)

    account = {"name": "Dev", "email": "dev@example.com"}
    passwords = {"password": "secret123", "password_confirmation": "secret123"}
    prompt = "You are a friendly assistant. Keep answers short."
    booking = {name: value for name, value in parse_stored_json(TOOL_EXAMPLE).items() if name != "headers"}
    served = {
        "lookup_url": "https://yourapp.com/lookup",
        "greeting_message": "Hello {{customer_name|there}}! When would you like a table?",
        "tools": [booking],
    }
    endpoint = {"url": "https://yourapp.com/reports", "events": ["call.report"]}
    overrides = {"system_prompt": "You are a test assistant."}
    return {
        "register": sample("POST", "/auth/register", account | passwords, key=""),
        "key": sample("POST", "/api-keys", {"label": "Production"}, key="SESSION_TOKEN"),
        "search": sample("GET", "/phone-numbers/available?country=US&area_code=415"),
        "buy": sample("POST", "/phone-numbers", {"phone_number": "+14155551234"}),
        "configure": sample("PATCH", "/phone-numbers/1", {"mode": "streaming", "system_prompt": prompt}),
        "serve": sample("PATCH", "/phone-numbers/1", served),
        "endpoint": sample("POST", "/webhook-endpoints", endpoint, key="SESSION_TOKEN"),
        "call": sample("POST", "/calls", {"from": "+14155551234", "to": "+12025551234", "mode": "streaming"}),
        "sandbox": sample("POST", "/sandbox/calls", {"phone_number_id": 1, "overrides": overrides}),
    }


@dataclass(frozen=True)
class Field:
    """A row of a table of parameters."""

    name: str
    kind: str
    is_required: bool
    description: str


def groups(document: dict[str, Any], base_url: str) -> list[dict[str, Any]]:
    """Operations by tag, in the order of their declaration, in the format of the template."""
    found: dict[str, list[dict[str, Any]]] = {}
    order = {name: place for place, name in enumerate(("get", "post", "put", "patch", "delete"))}
    for path, methods in document["paths"].items():
        for method, operation in sorted(methods.items(), key=lambda one: order[one[0]]):
            shown = _operation(document, path, method, operation, base_url)
            found.setdefault(operation["tags"][0], []).append(shown)
    tags = list(description().operations)
    return [
        {"name": name, "slug": name.lower().replace(" ", "-"), "operations": found[name]}
        for name in sorted(found, key=tags.index)
    ]


def _operation(document: dict[str, Any], path: str, method: str, operation: Schema, base_url: str) -> dict[str, Any]:
    parameters = [_resolve(document, one) for one in operation.get("parameters", [])]
    body, kind = _body(document, operation)
    answers = dict(operation["responses"])
    status, answer = answers.popitem() if len(answers) == 1 else next(iter(answers.items()))
    answers.pop(status, None)
    example = operation.get("requestBody", {}).get("content", {}).get(kind, {}).get("examples", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "is_public": not operation.get("security"),
        "parameters": [
            Field(one["name"], _kind(document, one["schema"]), one.get("required", False), one.get("description", ""))
            for one in parameters
            if one["in"] != "header"
        ],
        "headers": [one["name"] for one in parameters if one["in"] == "header"],
        "body": list(_fields(document, body)) if body else [],
        "body_kind": kind,
        "samples": code_samples.samples(
            method.upper(),
            f"{base_url}{_unfilled(path) if method == 'delete' else _filled(path, parameters)}",
            example.get("example", {}).get("value"),
            key=code_samples.KEY if operation.get("security") else "",
            kind=kind,
            has_response_body="content" in answer,
        ),
        "status": status,
        "answer": _answer_example(answer),
        "errors": [(code, refusal["description"]) for code, refusal in answers.items()],
    }


def _unfilled(path: str) -> str:
    """The path with a word for each of its parameters, so that a sample that is pasted as it is deletes nothing: `/agents/AGENT_ID`."""
    return _PATH_ID.sub(lambda part: f"/{part[1]}/{part[1].removesuffix('s').replace('-', '_').upper()}_ID", path)


def _filled(path: str, parameters: list[Schema]) -> str:
    """The path with an example for each parameter, so that it can be copied and run."""
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(one["example"]))
    return path


def _body(document: dict[str, Any], operation: Schema) -> tuple[Schema | None, str]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        return _resolve(document, content["schema"]), kind
    return None, ""


def _answer_example(answer: Schema) -> str:
    content = answer.get("content", {}).get("application/json")
    return json.dumps(content["examples"]["example"]["value"], indent=2, ensure_ascii=False) if content else ""


def _fields(document: dict[str, Any], schema: Schema, path: str = "", depth: int = 1) -> Iterator[Field]:
    required = schema.get("required", [])
    for name, part in schema.get("properties", {}).items():
        inner = _inner(document, part)
        yield Field(f"{path}{name}", _kind(document, part), name in required, part.get("description", ""))
        if inner is not None and depth < DEEPEST:
            step = "[]." if _is_list(document, part) else "."
            yield from _fields(document, inner, f"{path}{name}{step}", depth + 1)


def _inner(document: dict[str, Any], part: Schema) -> Schema | None:
    """The object inside: itself, an item of a list, or the alternative that is not null."""
    for choice in [part, *part.get("oneOf", []), *part.get("anyOf", [])]:
        resolved = _resolve(document, choice)
        resolved = _resolve(document, resolved["items"]) if "items" in resolved else resolved
        if resolved.get("properties"):
            return resolved
    return None


def _is_list(document: dict[str, Any], part: Schema) -> bool:
    return "items" in _resolve(document, part)


def _kind(document: dict[str, Any], part: Schema) -> str:
    """A type with its bounds, in words."""
    part = _resolve(document, part)
    for several in ("oneOf", "anyOf"):
        if several in part:
            kinds = [_kind(document, one) for one in part[several] if one.get("maxLength") != 0]
            return " or ".join(dict.fromkeys(kinds))
    types = part.get("type", "")
    words = " or ".join(types) if isinstance(types, list) else types
    if "enum" in part:
        words = ", ".join("null" if value is None else str(value) for value in part["enum"])
    bounds = [
        (part.get("minLength", 0) > 1, f"at least {part.get('minLength')} characters"),
        ("maxLength" in part, f"at most {part.get('maxLength')} characters"),
        (
            "minimum" in part and "maximum" in part and part["maximum"] < 2**31,
            f"{part.get('minimum')}–{part.get('maximum')}",
        ),
        ("maxItems" in part, f"at most {part.get('maxItems')}"),
        ("default" in part, f"default {part.get('default')}"),
    ]
    return ", ".join([words, *(text for holds, text in bounds if holds)])


def _resolve(document: dict[str, Any], part: Schema) -> Schema:
    if "$ref" not in part:
        return part
    found: Any = document
    for step in re.findall(r"[^#/]+", part["$ref"]):
        found = found[step]
    return found  # type: ignore[no-any-return]
