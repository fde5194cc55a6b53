"""Tools from an OpenAPI document: the tool for each operation, and what documents cannot do."""

import json
from typing import Any

import pytest

from agents.tools.definitions import tool_problems
from agents.tools.openapi_document import UnusableDocument, read_document
from agents.tools.openapi_import import Operation, operations_of

SERVER = "http://127.0.0.1:9/v1"
ROOMS = """
openapi: 3.0.3
info: {title: Rooms, version: 2026-01-01}
servers:
  - url: "http://127.0.0.1:9/{stage}"
    variables: {stage: {default: v1}}
security: [{key: []}]
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
    token: {type: http, scheme: bearer}
  parameters:
    id: {name: room.id, in: path, required: true, schema: {type: string}, description: The room.}
  schemas:
    Person:
      type: object
      required: [name, id]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, example: Ada, maxLength: 50}
        friend: {$ref: '#/components/schemas/Person'}
paths:
  /rooms:
    get:
      operationId: rooms.list
      summary: List rooms
      security: []
      parameters:
        - {name: day, in: query, required: true, schema: {type: string, format: date}}
        - {name: "filter[beds]", in: query, schema: {type: integer}}
        - {name: Idempotency-Key, in: header, required: true, schema: {type: string}}
        - {name: X-Version, in: header, required: true, schema: {type: string, enum: ["2"]}}
  /rooms/{room.id}/guests:
    parameters: [{$ref: '#/components/parameters/id'}, {name: dry, in: query, required: true}]
    post:
      description: Book a room.
      security: [{token: []}]
      parameters: [{name: dry, in: query, schema: {type: boolean}}]
      requestBody:
        content:
          application/json:
            schema:
              allOf:
                - $ref: '#/components/schemas/Person'
                - {type: object, required: [nights], properties: {nights: {type: integer, minimum: 1}}}
"""


def offered(text: str, **options: Any) -> list[Operation]:
    return operations_of(read_document(text.encode()), **options)


def one(operation: dict[str, Any], path: str = "/x", method: str = "post", **document: Any) -> Operation:
    whole = {"openapi": "3.1.0", "servers": [{"url": SERVER}], "paths": {path: {method: operation}}, **document}
    return offered(json.dumps(whole))[0]


def body(schema: Any, kind: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"content": {kind: {"schema": schema}}}}


def test_operations_become_tools() -> None:
    listing, booking = offered(ROOMS)
    assert (listing.method, listing.path, listing.summary, listing.secrets) == ("GET", "/rooms", "List rooms", ())
    assert listing.tool == {
        "name": "rooms_list",
        "description": "List rooms",
        "parameters": {
            "type": "object",
            "properties": {"day": {"type": "string", "format": "date"}, "filter_beds_": {"type": "integer"}},
            "required": ["day"],
        },
        "url": f"{SERVER}/rooms?filter%5Bbeds%5D={{filter_beds_}}",
        "method": "GET",
        "headers": {"X-Version": "2"},
    }
    person = booking.tool["parameters"]["properties"].pop("friend")
    assert booking.tool == {
        "name": "post_rooms_room_id_guests",
        "description": "Book a room.",
        "parameters": {
            "type": "object",
            "properties": {
                "room_id": {"type": "string", "description": "The room."},
                "name": {"type": "string", "maxLength": 50},
                "nights": {"type": "integer", "minimum": 1},
            },
            "required": ["room_id", "name", "nights"],
        },
        "url": f"{SERVER}/rooms/{{room_id}}/guests",
        "method": "POST",
        "headers": {"Authorization": "Bearer {{secret.TOKEN}}"},
    }
    assert booking.secrets == ("TOKEN",)
    depth = 0
    while "properties" in person:  # a recursive schema ends somewhere
        person, depth = person["properties"]["friend"], depth + 1
    assert (depth, person) == (6, {"type": "object"})
    assert tool_problems([dict(listing.tool), dict(booking.tool)]) == {}


def test_names_are_unique_and_a_server_can_be_chosen() -> None:
    listing, booking = offered(ROOMS, taken=["rooms_list"], server="http://127.0.0.1:8/api/")
    assert (listing.tool["name"], booking.tool["url"]) == (
        "rooms_list_2", "http://127.0.0.1:8/api/rooms/{room_id}/guests"
    )  # fmt: skip


def test_search_words_filter_many_operations() -> None:
    """Many APIs have hundreds of operations, and an agent needs only a few."""
    paths = {
        f"/store{number}/pets": {"get": {"operationId": f"findPets{number}"}, "post": {"tags": ["Admin"]}}
        for number in range(101)
    }
    many = json.dumps({"openapi": "3.1.0", "servers": [{"url": "http://127.0.0.1"}], "paths": paths})
    with pytest.raises(UnusableDocument, match="More than 200 operations"):
        offered(many)
    assert [found.path for found in offered(many, words="store7/ POST")] == ["/store7/pets"]
    assert [found.tool["name"] for found in offered(many, words="FINDPETS100")] == ["findPets100"]
    assert len(offered(many, words="admin")) == 101
    assert offered(many, words="dogs") == []


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (body({"$ref": "https://evil.example/x.json#/A"}), "is outside the document"),
        (body({"$ref": "file:///etc/passwd"}), "is outside the document"),
        (body({"$ref": "#/components/nothing"}), "The document has no"),
        (body({"$ref": "#/components/schemas/Loop"}), "refers to itself"),
        (body({"type": "array", "items": {}}), "is not a JSON object"),
        (body({"oneOf": [{"type": "object"}]}), "has alternatives"),
        (body({"type": "object"}, "multipart/form-data"), "instead of JSON"),
        (body({"type": "object", "properties": {"a": {"type": "any"}}}), "Unknown type"),
        (body({"type": "object", "properties": {f"p{number}": {} for number in range(65)}}), "at most 64 parameters"),
        (body({"$ref": "#/components/schemas/Wide"}), "too large"),
        ({"parameters": [{"name": "X", "in": "header", "required": True}]}, "Requires the header X"),
        ({"parameters": [{"name": "X", "in": "header", "required": True, "schema": {"enum": {"a": 1}}}]}, "header X"),
        ({"security": [{"tls": []}]}, "that tools do not support"),
    ],
)
def test_an_unsupported_operation_says_why(operation: dict[str, Any], problem: str) -> None:
    doubled = {}
    for level in range(5):
        properties = {name: {"$ref": f"#/components/schemas/S{level + 1}"} for name in "abcdefgh"}
        doubled[f"S{level}"] = {"type": "object", "properties": properties}
    schemas = {
        "Loop": {"$ref": "#/components/schemas/Loop"},
        **doubled,
        "S5": {"type": "string"},
        "Wide": doubled["S0"],
    }
    schemes = {"tls": {"type": "mutualTLS"}}
    found = one(operation, components={"schemas": schemas, "securitySchemes": schemes})
    assert (found.tool, problem in found.problem) == ({}, True), found.problem


def test_a_path_without_its_parameter_is_not_a_tool() -> None:
    assert one({}, "/x/{id}").problem == "The path has {id}, which is not one of its parameters."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not an OpenAPI 3 document"),
        ("[]", "not an OpenAPI 3 document"),
        ('{"swagger": "2.0"}', "Swagger 2.0"),
        ('{"openapi": "3.1.0"}', "has no paths"),
        ('{"openapi": "3.1.0", "paths": {}', "not valid JSON"),
        ("openapi: 3.1.0\npaths: {a: [}", "not valid JSON or YAML"),
        ("a: &x [1]\nb: [*x, *x]", "aliases"),
        ("a: !!python/object/apply:os.system ['true']", "not valid JSON or YAML"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ("- a\n" * 100_001, "too many values for YAML"),
        (" " * (10 * 1024 * 1024) + "x", "larger than 10 MiB"),
        ("openapi: 3.1.0\npaths: {}", "Enter the server URL"),
        ('{"openapi": "3.1.0", "paths": {}, "servers": [{"url": "ftp://a.example"}]}', "cannot be used"),
        ('{"openapi": "3.1.0", "paths": {}, "servers": [{"url": "http://127.0.0.1/{a}"}]}', "braces"),
    ],
)
def test_an_unusable_document_says_why(text: str, problem: str) -> None:
    with pytest.raises(UnusableDocument, match=problem):
        offered(text)
