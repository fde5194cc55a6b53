"""Every route of the API with what no honest client sends: refused in the API's own form, and nothing changed."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.db import transaction
from django.test import Client

from tests.described import check_against
from tests.doors.nasty import (
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

# Each route gets one in so many headers, bodies and texts, each field one in so many values; all together they get all.
# Where a value is in all fields of a body, each body gets one in so many of those.
PARTS, VALUE_PARTS, WHOLE_PARTS = (5, 3, 2) if IS_LONG else (10, 6, 4)


class Door:
    """Sends requests, and notes each whose answer is not as it must be."""

    def __init__(self, world: World, redis: Any) -> None:
        self.world, self._redis = world, redis
        self._client = Client(raise_request_exception=False)
        self.faults: list[str] = []
        self.answer = b""  # the last

    def routes(self) -> Iterator[tuple[str, str]]:
        """Method and path of every route, the path with its `{id}`."""
        for route in routes():
            method, _, path = route.partition(" ")
            yield method, f"/api/v1{path}"

    def path_of(self, method: str, path: str) -> str:
        """With the id of something that is there."""
        return path_of(self.world, method, path)

    def send(self, method: str, path: str, what: str, body: bytes = b"", **headers: Any) -> int:
        """The status, after a look at the form of the answer."""
        self._redis.flushall()  # what the throttles count
        sent = {"HTTP_AUTHORIZATION": self.world.headers["Authorization"], **headers}
        answer = self._client.generic(method, path, body, **{"content_type": "application/json", **sent})
        self.answer = answer.content
        if fault := _fault_of(answer):
            self.faults.append(f"{method} {path[:80]} with {what[:80]}: {answer.status_code} {fault}")
        return answer.status_code

    def try_out(self, method: str, path: str, what: str, body: bytes) -> None:
        """Send it, and undo what an accepted request changed before the carrier hears of it."""
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
def door(world: World, empty_redis: Any, settings: Any) -> Iterator[Door]:
    """Afterwards there must be no fault."""
    settings.FAIL_ON_WAIT_IN_TRANSACTION = False  # the one that undoes a request
    door = Door(world, empty_redis)
    yield door
    assert not door.faults, "\n".join(door.faults)


@pytest.fixture
def unchanged(door: Door) -> Iterator[None]:
    before = rows()
    yield
    assert rows() == before


def examples(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and body of each operation that takes a body."""
    client = Client()
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            body = content["application/json"]["examples"]["example"]["value"]
            yield method, path_of(world, method, path), adapt(world, client, f"{method} {path}", body)


@pytest.mark.usefixtures("unchanged")
def test_paths(door: Door) -> None:
    for place, (method, path) in enumerate(door.routes()):
        if "{" in path:
            for text in TEXTS[place % VALUE_PARTS :: VALUE_PARTS]:
                door.send(method, path.replace("{id}", text).replace("{code}", text), text)


@pytest.mark.usefixtures("unchanged")
def test_queries(door: Door) -> None:
    """Each filter by itself, since the first that is refused hides the others."""
    for method, path, operation in operations():
        if method == "GET":
            url = door.path_of(method, path)
            names = [found["name"] for found in operation.get("parameters", []) if found.get("in") == "query"]
            for place, name in enumerate(names):
                for text in TEXTS[place % VALUE_PARTS :: VALUE_PARTS]:
                    door.send(method, f"{url}?{name}={text}", text)
            for text in TEXTS[len(path) % PARTS :: PARTS]:
                door.send(method, f"{url}?{text}=1&{text}", text)


@pytest.mark.usefixtures("unchanged")
def test_bodies_that_are_no_json_object(door: Door) -> None:
    bodies = [*{**BROKEN_BODIES, **TOO_LARGE}.items()]
    for place, (method, path) in enumerate(door.routes()):
        if method != "GET":
            for what, body in bodies[place % VALUE_PARTS :: VALUE_PARTS]:
                door.expect_refusal(method, door.path_of(method, path), what, body)


def test_fields_that_no_body_has(door: Door) -> None:
    """Beside those that are right, or alone where no body is expected; files are sent in other ways."""
    bodies = {(method, path): body for method, path, body in examples(door.world)}
    before = rows()
    for method, route, operation in operations():
        path = door.path_of(method, route)
        is_json = "application/json" in operation.get("requestBody", {"content": "application/json"})["content"]
        if method != "GET" and is_json:
            body = {**bodies.get((method, path), {}), "surprise": 1}
            door.expect_refusal(method, path, "a surprise", json.dumps(body).encode())
            if b'"surprise"' not in door.answer:
                door.faults.append(f"{method} {path} does not name the field: {door.answer[:200]!r}")
    assert rows() == before


@pytest.mark.usefixtures("unchanged")
def test_headers(door: Door) -> None:
    """What reads headers is the same for all routes, so that each gets a part of them, and the routes together all."""
    for place, (method, path) in enumerate(door.routes()):
        for name, value in HEADERS[place % PARTS :: PARTS]:
            body = b"" if method == "GET" else b"{"
            status = door.send(method, door.path_of(method, path), f"{name}: {value}", body, **{name: value})
            if method != "GET" and status < 400:
                door.faults.append(f"{method} {path} with {name}: {value}: {status}")


def test_values_in_all_fields_at_once(door: Door) -> None:
    for place, (method, path, example) in enumerate(examples(door.world)):
        for value in VALUES[place % WHOLE_PARTS :: WHOLE_PARTS]:
            door.try_out(method, path, f"everywhere: {value}", json.dumps(dict.fromkeys(example, value)).encode())
        for raw in RAW_VALUES:
            pairs = ", ".join(f"{json.dumps(name)}: {raw}" for name in example)
            door.try_out(method, path, f"everywhere: {raw}", f"{{{pairs}}}".encode())


def test_values_in_one_field(door: Door) -> None:
    """The others are right, so that what only looks at the whole is reached. What is refused changes nothing."""
    pieces, place = [*map(json.dumps, TELLING_VALUES), *RAW_VALUES], 0
    requests = [*examples(door.world)]
    before = rows()
    for method, path, example in requests:
        for name in example:
            place += 1
            for piece in pieces[place % VALUE_PARTS :: VALUE_PARTS]:
                door.try_out(method, path, f"{name}: {piece}", with_field(example, name, piece))
            door.try_out(method, path, f"{name}: twice", doubled(example, name, "[]"))
    assert rows() == before
