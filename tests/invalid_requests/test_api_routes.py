"""Every API route with requests that no legitimate client sends: refused in the API's error format, and nothing changes."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.db import transaction
from django.test import Client

from tests.described import check_against
from tests.invalid_requests.values import (
    BROKEN_BODIES,
    HEADERS,
    RAW_VALUES,
    TELLING_VALUES,
    TEXTS,
    TOO_LARGE,
    VALUES,
    doubled,
    rows,
    with_field,
)
from tests.long_runs import IS_LONG
from tests.schema.conftest import World, configure_carrier, exchange, world
from tests.schema.test_document import operations, routes
from tests.schema.test_examples import adapt, path_of

__all__ = ["configure_carrier", "exchange", "world"]

# Each route gets one in PARTS headers, bodies and texts, and each field one in VALUE_PARTS values. Together they get all of them.
# If a value is in all fields of a body, each body gets one in WHOLE_PARTS of them.
PARTS, VALUE_PARTS, WHOLE_PARTS = (5, 3, 2) if IS_LONG else (10, 6, 4)


class RequestSender:
    """Sends requests and records unexpected responses."""

    def __init__(self, world: World, redis: Any) -> None:
        self.world, self._redis = world, redis
        self._client = Client(raise_request_exception=False)
        self.faults: list[str] = []
        self.answer = b""  # of the last response

    def routes(self) -> Iterator[tuple[str, str]]:
        """Method and path of every route, with `{id}` in the path."""
        for route in routes():
            method, _, path = route.partition(" ")
            yield method, f"/api/v1{path}"

    def path_of(self, method: str, path: str) -> str:
        """The path with the ID of an existing object."""
        return path_of(self.world, method, path)

    def send(self, method: str, path: str, what: str, body: bytes = b"", **headers: Any) -> int:
        """Checks the format of the response and returns its status."""
        self._redis.flushall()  # reset the rate limits
        sent = {"HTTP_AUTHORIZATION": self.world.headers["Authorization"], **headers}
        answer = self._client.generic(method, path, body, **{"content_type": "application/json", **sent})
        self.answer = answer.content
        if fault := _fault_of(answer):
            self.faults.append(f"{method} {path[:80]} with {what[:80]}: {answer.status_code} {fault}")
        return answer.status_code

    def try_out(self, method: str, path: str, what: str, body: bytes) -> None:
        """Send a request, and undo the changes of an accepted one before they reach the carrier."""
        with transaction.atomic():
            status = self.send(method, path, what, body)
            transaction.set_rollback(status < 400)

    def expect_refusal(self, method: str, path: str, what: str, body: bytes = b"", **headers: Any) -> None:
        status = self.send(method, path, what, body, **headers)
        if status < 400:
            self.faults.append(f"{method} {path[:80]} with {what[:80]}: {status}")


def _fault_of(answer: Any) -> str:
    if answer.status_code >= 500 and answer.status_code != 502:
        return repr(answer.content[:200])
    if answer.status_code < 400:
        return ""
    try:
        name = "ValidationError" if answer.status_code == 422 else "Error"
        check_against({"$ref": f"#/components/schemas/{name}"}, json.loads(answer.content))
    except (ValueError, jsonschema.ValidationError):
        return repr(answer.content[:200])
    return ""


@pytest.fixture
def sender(world: World, empty_redis: Any, settings: Any) -> Iterator[RequestSender]:
    """Fails the test afterwards if there was any fault."""
    settings.FAIL_ON_WAIT_IN_TRANSACTION = False  # caused by the transaction that undoes a request
    sender = RequestSender(world, empty_redis)
    yield sender
    assert not sender.faults, "\n".join(sender.faults)


@pytest.fixture
def unchanged(sender: RequestSender) -> Iterator[None]:
    before = rows()
    yield
    assert rows() == before


def examples(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and an example body of each operation that takes a body."""
    client = Client()
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            body = content["application/json"]["examples"]["example"]["value"]
            yield method, path_of(world, method, path), adapt(world, client, f"{method} {path}", body)


@pytest.mark.usefixtures("unchanged")
def test_paths(sender: RequestSender) -> None:
    for place, (method, path) in enumerate(sender.routes()):
        if "{" in path:
            for text in TEXTS[place % VALUE_PARTS :: VALUE_PARTS]:
                sender.send(method, path.replace("{id}", text).replace("{code}", text), text)


@pytest.mark.usefixtures("unchanged")
def test_queries(sender: RequestSender) -> None:
    """One filter at a time, because the first refused one hides the others."""
    for method, path, operation in operations():
        if method == "GET":
            url = sender.path_of(method, path)
            names = [found["name"] for found in operation.get("parameters", []) if found.get("in") == "query"]
            for place, name in enumerate(names):
                for text in TEXTS[place % VALUE_PARTS :: VALUE_PARTS]:
                    sender.send(method, f"{url}?{name}={text}", text)
            for text in TEXTS[len(path) % PARTS :: PARTS]:
                sender.send(method, f"{url}?{text}=1&{text}", text)


@pytest.mark.usefixtures("unchanged")
def test_bodies_that_are_not_json_objects(sender: RequestSender) -> None:
    bodies = [*{**BROKEN_BODIES, **TOO_LARGE}.items()]
    for place, (method, path) in enumerate(sender.routes()):
        if method != "GET":
            for what, body in bodies[place % VALUE_PARTS :: VALUE_PARTS]:
                sender.expect_refusal(method, sender.path_of(method, path), what, body)


def test_unknown_fields(sender: RequestSender) -> None:
    """In addition to valid fields, or alone if no body is expected. Skips file uploads."""
    bodies = {(method, path): body for method, path, body in examples(sender.world)}
    before = rows()
    for method, route, operation in operations():
        path = sender.path_of(method, route)
        is_json = "application/json" in operation.get("requestBody", {"content": "application/json"})["content"]
        if method != "GET" and is_json:
            body = {**bodies.get((method, path), {}), "surprise": 1}
            sender.expect_refusal(method, path, "a surprise", json.dumps(body).encode())
            if b'"surprise"' not in sender.answer:
                sender.faults.append(f"{method} {path} does not name the field: {sender.answer[:200]!r}")
    assert rows() == before


@pytest.mark.usefixtures("unchanged")
def test_headers(sender: RequestSender) -> None:
    """The same code reads headers for all routes, so each route gets some of them, and together they get all."""
    for place, (method, path) in enumerate(sender.routes()):
        for name, value in HEADERS[place % PARTS :: PARTS]:
            body = b"" if method == "GET" else b"{"
            status = sender.send(method, sender.path_of(method, path), f"{name}: {value}", body, **{name: value})
            if method != "GET" and status < 400:
                sender.faults.append(f"{method} {path} with {name}: {value}: {status}")


def test_values_in_all_fields_at_once(sender: RequestSender) -> None:
    for place, (method, path, example) in enumerate(examples(sender.world)):
        for value in VALUES[place % WHOLE_PARTS :: WHOLE_PARTS]:
            sender.try_out(method, path, f"everywhere: {value}", json.dumps(dict.fromkeys(example, value)).encode())
        for raw in RAW_VALUES:
            pairs = ", ".join(f"{json.dumps(name)}: {raw}" for name in example)
            sender.try_out(method, path, f"everywhere: {raw}", f"{{{pairs}}}".encode())


def test_values_in_one_field(sender: RequestSender) -> None:
    """The other fields are valid, so that checks of the whole body are reached. Refused requests change nothing."""
    pieces, place = [*map(json.dumps, TELLING_VALUES), *RAW_VALUES], 0
    requests = [*examples(sender.world)]
    before = rows()
    for method, path, example in requests:
        for name in example:
            place += 1
            for piece in pieces[place % VALUE_PARTS :: VALUE_PARTS]:
                sender.try_out(method, path, f"{name}: {piece}", with_field(example, name, piece))
            sender.try_out(method, path, f"{name}: twice", doubled(example, name, "[]"))
    assert rows() == before
