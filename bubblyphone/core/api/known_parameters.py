"""Refuses unknown query parameters of API endpoints."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from bubblyphone.core.api.described import operation_of
from bubblyphone.core.api.json_schema import page_size
from bubblyphone.core.errors import InvalidRequest


class KnownParameters(BasePermission):
    """Refuses unknown query parameters of GET endpoints with lists or filters by name, so that a typo never passes silently.

    A permission, because those run for every view after authentication. Known parameters are those in the API's description.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method not in ("GET", "HEAD") or not request.query_params:
            return True
        known = _known_parameters(request)
        unknown = [] if known is None else [name for name in request.query_params if not _is_known(name, known)]
        if unknown:
            raise InvalidRequest({name: ["Unknown parameter."] for name in unknown})
        return True


def _is_known(name: str, known: set[str]) -> bool:
    """`metadata[order_id]` is a key of `metadata[`, a filter that accepts any key."""
    start, bracket, _ = name.partition("[")
    return start + bracket in known


def _known_parameters(request: Request) -> set[str] | None:
    """None for an endpoint that shows one object, which has no parameters and ignores them."""
    operation = operation_of(request)
    if operation is None:
        return None
    is_paged = page_size(operation.answer) is not None
    rows = (operation.answer or {}).get("properties", {}).get("data", {})
    if operation.query is None and not is_paged and rows.get("type") != "array":
        return None
    fields = operation.query().fields if operation.query else {}
    filters = {*fields, *(f"{name}[" for name, field in fields.items() if getattr(field, "takes_keys", False))}
    return filters | ({"per_page", "cursor"} if is_paged else set())
