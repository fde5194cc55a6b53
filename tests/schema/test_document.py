"""The OpenAPI document is valid, complete and consistent."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator

from bubblyphone.core.api.openapi import description, openapi
from tests.described import check_against

METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in openapi()["paths"].items()
        for method, operation in item.items()
    ]


def routes() -> Iterator[str]:
    """ "METHOD /path" of all routes under /api/v1, with `{id}` for every ID."""
    resolver = next(pattern for pattern in get_resolver().url_patterns if str(pattern.pattern) == "api/v1/")
    assert isinstance(resolver, URLResolver)
    for pattern in _leaves(resolver):
        path = re.sub(r"<\w+:(\w+)>", lambda match: "{code}" if match[1] == "code" else "{id}", str(pattern.pattern))
        view = getattr(pattern.callback, "view_class", None)
        for method in METHODS:
            if hasattr(view, method):
                yield f"{method.upper()} /{path}"


def _leaves(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _leaves(pattern)
        else:
            yield pattern


def test_it_is_openapi_3_1() -> None:
    document = openapi()
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_in_its_app_s_schema_module_and_there_are_no_others() -> None:
    found = set(routes())
    assert found - description().by_route.keys() == set()
    assert description().by_route.keys() - found == set()
    assert {f"{method} {path.removeprefix('/api/v1')}" for method, path, _ in operations()} == found


def test_the_document_is_public(client: Client, empty_redis: Any) -> None:
    answer = client.get("/api/v1/schema")
    assert answer.status_code == 200
    assert answer.json() == openapi()


def test_every_operation_and_field_has_a_description() -> None:
    missing = [f"{method} {path}" for method, path, operation in operations() if not operation["summary"]]
    for method, path, operation in operations():
        queries = [found for found in operation.get("parameters", []) if found.get("in") == "query"]
        missing += [f"{method} {path}: {query['name']}" for query in queries if not query.get("description")]
    for name, schema in openapi()["components"]["schemas"].items():
        if name.endswith("Body"):
            missing += [f"{name}.{field}" for field, part in schema["properties"].items() if "description" not in part]
    assert missing == []


def test_operations_that_create_objects_link_to_the_operations_on_them() -> None:
    document = openapi()
    by_id = {operation["operationId"]: (method, path) for method, path, operation in operations()}
    linked = {
        (source, by_id[link["operationId"]], link["parameters"]["id"])
        for _, source, operation in operations()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    made = (
        "agents", "phone-numbers", "calls", "api-keys", "model-keys", "secrets", "do-not-call", "carrier-accounts",
        "webhook-endpoints",
    )  # fmt: skip
    on_one_thing = {
        (method, path)
        for method, path, _ in operations()
        if path.startswith(tuple(f"/api/v1/{resource}/{{id}}" for resource in made))
    }
    assert {target for _, target, _ in linked} == on_one_thing
    created = "$response.body#/data/id"
    assert ("/api/v1/agents", ("PATCH", "/api/v1/agents/{id}"), created) in linked
    assert ("/api/v1/calls", ("POST", "/api/v1/calls/{id}/hangup"), created) in linked
    assert "links" not in document["paths"]["/api/v1/auth/login"]["post"]["responses"]["200"]


def test_every_example_matches_its_schema() -> None:
    for method, path, operation in operations():
        contents = [("body", content) for content in operation.get("requestBody", {}).get("content", {}).values()]
        for status, answer in operation["responses"].items():
            contents += [(status, content) for content in answer.get("content", {}).values()]
        for what, content in contents:
            if "examples" not in content:
                pytest.fail(f"{method} {path} {what} has no example")
            check_against(content["schema"], content["examples"]["example"]["value"])


def test_documented_security_matches_the_behavior(client: Client, db: None, empty_redis: Any, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 10_000
    for method, path, operation in operations():
        answer = client.generic(method, re.sub(r"\{\w+\}", "1", path), b"{}", content_type="application/json")
        assert (answer.status_code == 401) == (operation.get("security") == [{"bearer": []}]), f"{method} {path}"
        refusal = operation["responses"].get(str(answer.status_code))
        assert refusal, f"{method} {path} answers {answer.status_code}"
        check_against(refusal["content"]["application/json"]["schema"], answer.json())


def test_an_error_names_the_field_with_a_wrong_json_type(client: Client, db: None, empty_redis: Any) -> None:
    sent = '{"name": 5, "email": "a@example.com", "password": "secret123", "password_confirmation": "secret123"}'
    answer = client.post("/api/v1/auth/register", sent, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"]) == (422, {"name": ["Not a valid string."]})
