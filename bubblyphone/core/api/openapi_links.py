"""OpenAPI links: which operations take the id that a response contains. Programs that try an API in sequences follow them."""

import re
from typing import Any

from bubblyphone.core.api.json_schema import Schema

# Ids that are not `data.id` of a POST to the collection: (operation, location, collection).
_ELSEWHERE = (
    ("/api/v1/sandbox/calls", "post", "$response.body#/data/call_id", "/api/v1/calls"),
    ("/api/v1/sandbox/demo", "post", "$response.body#/data/call_id", "/api/v1/calls"),
)


def add_links(document: dict[str, Any]) -> None:
    """Link what creates to every operation on what was created: POST /agents to GET /agents/{id}."""
    paths: dict[str, Any] = document["paths"]
    for path, item in paths.items():
        targets = _operations_on(paths, path)
        if targets and "post" in item:
            _link(item["post"], targets, "$response.body#/data/id")
    for path, method, where, collection in _ELSEWHERE:
        if method in paths.get(path, {}):
            _link(paths[path][method], _operations_on(paths, collection), where)


def _operations_on(paths: dict[str, Any], collection: str) -> list[Schema]:
    """Those whose path is the collection's and `{id}`, with or without an action behind."""
    pattern = re.compile(rf"{re.escape(collection)}/\{{id\}}(/[\w-]+)?")
    return [one for path, item in paths.items() if pattern.fullmatch(path) for one in item.values()]


def _link(operation: Schema, targets: list[Schema], where: str) -> None:
    status = next(iter(operation["responses"]))  # the success comes first
    links = {
        target["operationId"]: {"operationId": target["operationId"], "parameters": {"id": where}} for target in targets
    }
    operation["responses"][status]["links"] = links
