"""The OpenAPI description of the API, built from the routes, the serializers of bodies, and each app's declarations
in `<app>/api/schema.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import AllowAny
from rest_framework.serializers import BaseSerializer, Serializer

from bubblyphone.core.api.json_schema import SHAPES, Schema, example_of, moment, nullable, page_size, shape, text
from bubblyphone.core.api.openapi_links import add_links
from bubblyphone.core.api.webhook_schema import Webhook, webhooks_section
from bubblyphone.core.registry import Slot

PREFIX = "/api/v1"
_SCHEMAS = "#/components/schemas/"

ERROR = shape(
    "Error",
    {
        "message": text("Not found.", "A human-readable message."),
        "reason": text(
            "daily_cap_reached", "A machine-readable code. Present on 402 and 403, and on 429 for limits you set."
        ),
        "next_allowed_at": nullable(
            moment("With `outside_calling_hours`: when the number can be called. Null if your hours never fit.")
        ),
    },
    optional=["reason", "next_allowed_at"],
)
FIELD_ERRORS = shape(
    "ValidationError",
    {
        "message": text("The given data was invalid."),
        "errors": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "description": "Error messages by field. Nested fields have paths, like `tools.0.name`. Other errors are under `body`.",
            "examples": [{"field": ["This field is required."]}],
        },
    },
)
COMMON_ERRORS = {
    401: "No valid API key or session token was sent.",
    404: "The object does not exist, or it belongs to another account.",
    409: "A request with this `Idempotency-Key` is still in progress.",
    413: "The body is larger than allowed.",
    422: "The request is invalid, or its `Idempotency-Key` was already used for a different request.",
    429: "Too many requests. Wait for the number of seconds in `Retry-After`.",
    500: "An error on our side.",
}
MESSAGES = {401: "Unauthenticated.", 413: "The request body is larger than 1 MiB.", 429: "Too many requests."}


@dataclass(frozen=True)
class Operation:
    """An app's declaration of one operation. `answer` is the whole response body; None: no body."""

    summary: str
    description: str = ""
    answer: Schema | None = None
    status: int = 200
    body: type[BaseSerializer[Any]] | Schema | None = None  # a Schema for a multipart body
    example: Mapping[str, Any] = field(default_factory=dict)  # of the request body
    query: type[Serializer[Any]] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)  # in addition to COMMON_ERRORS, or replacing their texts
    also: Mapping[str, str] = field(
        default_factory=dict
    )  # other content types of the response, with an example of each


@dataclass(frozen=True)
class Description:
    """The whole description: operations by tag and "METHOD /path"; texts by "field" or "Serializer.field"; webhooks by event.

    `path_examples`: by "collection {name}", for path parameters that are not numbers.
    """

    operations: Mapping[str, Mapping[str, Operation]]
    fields: Mapping[str, str]
    path_examples: Mapping[str, str]
    webhooks: Mapping[str, Webhook]

    @property
    def by_route(self) -> dict[str, tuple[str, Operation]]:
        """(tag, operation) by "METHOD /path"."""
        return {key: (tag, one) for tag, group in self.operations.items() for key, one in group.items()}

    @property
    def event_types(self) -> list[str]:
        """The names of all events, without webhooks that request an action."""
        return [name for name, webhook in self.webhooks.items() if webhook.is_event]


DESCRIPTION: Slot[Callable[[], Description]] = Slot("the API's description")
"""Puts the apps' parts together. They are above this package."""


@cache
def description() -> Description:
    """The declarations of all apps."""
    return DESCRIPTION.get()()


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document. It is the same for everyone, so it is built once."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-any-return]


class OperationSchema(AutoSchema):
    """Answers drf-spectacular's questions about an operation from the apps' declarations."""

    @property
    def key(self) -> str:
        return f"{self.method} {self.path.removeprefix(PREFIX)}"

    @property
    def operation(self) -> Operation:
        """Describe an operation. One without a declaration only has a name; a test reports it."""
        return description().by_route.get(self.key, ("", Operation(self.key)))[1]

    @property
    def is_public(self) -> bool:
        return AllowAny in self.view.permission_classes

    def get_operation_id(self) -> str:
        words = re.findall(r"[A-Za-z]+", self.path.removeprefix(PREFIX))
        return "_".join([self.method.lower(), *words])

    def get_tags(self) -> list[str]:
        return [description().by_route.get(self.key, ("Other", None))[0]]

    def get_summary(self) -> str:
        return self.operation.summary

    def get_description(self) -> str:  # type: ignore[override]
        return self.operation.description

    def get_auth(self) -> list[dict[str, list[str]]]:
        return [] if self.is_public else [{"bearer": []}]

    def _get_serializer(self) -> None:
        """The serializer of the body. Views do not have one; it is in the declarations."""

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        """The name of a request body's schema, which differs from those of responses."""
        return f"{super()._get_serializer_name(serializer, direction, bypass_extensions)}Body"

    def get_request_serializer(self) -> Any:
        return None if isinstance(self.operation.body, dict) else self.operation.body

    def get_override_parameters(self) -> list[Any]:
        return [self.operation.query] if self.operation.query else []

    def _resolve_path_parameters(self, variables: list[str]) -> list[Schema]:
        return [self._path_parameter(name) for name in variables]

    def _path_parameter(self, name: str) -> Schema:
        is_number = "<int:" in self.path_regex
        collection = self.path.removeprefix("/api/v1/").partition("/{")[0]
        key = f"{collection} {{{name}}}"
        found: Schema = {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if is_number else {"type": "string", "minLength": 1},
            "example": 1 if is_number else description().path_examples[key],
        }
        note = description().fields.get(key)
        return {**found, "description": note} if note else found

    def _get_parameters(self) -> list[Schema]:
        found = list(super()._get_parameters())
        if (size := page_size(self.operation.answer)) is not None:
            found += [_per_page(size), _parameter("Cursor")]
        if self.method == "POST":
            found.append(_parameter("IdempotencyKey"))
        return [self._with_text(one) for one in found] + [_parameter("RequestId")]

    def _with_text(self, parameter: Schema) -> Schema:
        """The schema with the field's text, if the apps declare one."""
        parameter.get("schema", {}).pop("x-spec-enum-id", None)
        if parameter.get("schema", {}).get("type") == "object":
            parameter = {**parameter, "style": "deepObject", "explode": True}  # name[key]=value
        name, texts = parameter.get("name", ""), description().fields
        of_query = texts.get(f"{self.operation.query.__name__}.{name}") if self.operation.query else None
        note = of_query or parameter.get("description") or texts.get(name)
        return {**parameter, "description": note} if note else parameter

    def _get_request_body(self, direction: Any = "request") -> Schema | None:
        operation = self.operation
        if isinstance(operation.body, dict):
            form = {"schema": operation.body, "examples": _one(dict(operation.example))}
            return {"required": True, "content": {"multipart/form-data": form}}
        if operation.body is None:
            return None
        reference = self._get_request_for_media_type(operation.body(), direction)[0]  # type: ignore[no-untyped-call]
        examples = _one(dict(operation.example))
        is_needed = self.method != "PATCH" and any(one.required for one in operation.body().fields.values())  # type: ignore[attr-defined]
        content = {"application/json": {"schema": reference, "examples": examples}}
        return {"required": is_needed, "content": content}

    def _get_response_bodies(self, direction: Any = "response") -> Schema:
        operation = self.operation
        answer: Schema = {"description": "Success.", "headers": _headers()}
        if operation.answer is not None:
            examples = _one(example_of(operation.answer))
            answer["content"] = {"application/json": {"schema": operation.answer, "examples": examples}}
            other = {
                kind: {"schema": {"type": "string"}, "examples": _one(text)} for kind, text in operation.also.items()
            }
            answer["content"] |= other
        refusals = {str(status): _refusal(status, why) for status, why in sorted(self._errors().items())}
        return {str(operation.status): answer, **refusals}

    def _errors(self) -> dict[int, str]:
        operation = self.operation
        statuses = {429, 500}
        if not self.is_public:
            statuses.add(401)
        if "{" in self.path:
            statuses.add(404)
        if self.method == "POST":
            statuses |= {409, 422}
        if operation.body is not None:
            statuses |= {413, 422}
        if operation.query is not None or page_size(operation.answer) is not None:
            statuses.add(422)
        found = {status: COMMON_ERRORS[status] for status in statuses}
        if self.method != "GET":
            found |= getattr(self.view, "errors_of_changes", {})
        for status, why in operation.errors.items():
            also = f" Or: {found[status]}" if status in (409,) and status in found else ""
            found[status] = why + also
        return found


class StrictBody(OpenApiSerializerExtension):
    """Our bodies allow no unknown fields, and each field has a text."""

    target_class = "bubblyphone.core.api.views.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        schema: Schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        schema["additionalProperties"] = False
        schema.pop("description", None)  # the class's docstring is for readers of the code
        texts = description().fields
        for name, part in schema.get("properties", {}).items():
            part.pop("x-spec-enum-id", None)
            if note := texts.get(f"{type(self.target).__name__}.{name}") or texts.get(name):
                part["description"] = note
        return schema


def rename_ids(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """drf-spectacular's preprocessing hook: `{id}` in every path, whatever the view calls its argument."""
    return [(re.sub(r"\{(pk|\w+_id|identifier)\}", "{id}", path), *rest) for path, *rest in endpoints]


def add_components(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: adds shared components, webhooks, and links between operations."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update(SHAPES)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`bp_live_sk_…`) or the session token of a login (`id|secret`).",
        }
    }
    components["parameters"] = _PARAMETERS
    components["headers"] = _HEADERS
    result["webhooks"] = webhooks_section(description().webhooks)
    add_links(result)
    _drop_unused(result)
    return result


def _drop_unused(document: dict[str, Any]) -> None:
    """Remove schemas without references, such as those of closed operations."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    rest = {**document, "components": {**document["components"], "schemas": {}}}
    found, beginning = set[str](), _references(rest)
    while beginning:
        found |= beginning
        beginning = {name for one in beginning for name in _references(schemas[one])} - found
    document["components"]["schemas"] = {name: one for name, one in schemas.items() if name in found}


def _references(part: Any) -> set[str]:
    if isinstance(part, dict):
        target = part.get("$ref")
        own = {target.removeprefix(_SCHEMAS)} if isinstance(target, str) and target.startswith(_SCHEMAS) else set()
        return own.union(*map(_references, part.values()))
    return set().union(*map(_references, part)) if isinstance(part, list | tuple) else set()


_PARAMETERS: dict[str, Schema] = {
    "Cursor": {
        "name": "cursor",
        "in": "query",
        "description": "The `next_cursor` or `prev_cursor` from another page.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes retries safe: for 24 hours, a repeated request returns the first response and has no further effect.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An ID for this request, shown in logs and returned in the response. Letters, digits, `.`, `_`, and `-`.",
        "schema": {"type": "string"},
    },
}
_HEADERS: dict[str, Schema] = {
    "RateLimit": {"description": "Maximum requests per minute.", "schema": {"type": "integer"}, "required": True},
    "Remaining": {
        "description": "Requests left in the current minute.",
        "schema": {"type": "integer"},
        "required": True,
    },
    "RequestId": {"description": "The ID of the request in our logs.", "schema": {"type": "string"}, "required": True},
    "RetryAfter": {
        "description": "Seconds to wait before the next request.",
        "schema": {"type": "integer"},
        "required": True,
    },
}


def _per_page(size: int) -> Schema:
    kind = {"type": "integer", "minimum": 1, "maximum": 100, "default": size}
    return {"name": "per_page", "in": "query", "description": "Rows per page.", "schema": kind}


def _parameter(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def _one(example: Any) -> Schema:
    return {"example": {"value": example}}


def _headers(*more: tuple[str, str]) -> Schema:
    names = [("X-RateLimit-Limit", "RateLimit"), ("X-RateLimit-Remaining", "Remaining"), ("X-Request-Id", "RequestId")]
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in [*names, *more]}


def _refusal(status: int, why: str) -> Schema:
    body: Schema = FIELD_ERRORS if status == 422 else ERROR
    example = example_of(body) if status == 422 else {"message": MESSAGES.get(status, why.replace("`", ""))}
    return {
        "description": why,
        "headers": _headers(("Retry-After", "RetryAfter")) if status == 429 else _headers(),
        "content": {"application/json": {"schema": body, "examples": _one(example)}},
    }
