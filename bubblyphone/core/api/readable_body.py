"""The refusal of bodies that an endpoint of the API cannot read, and of fields where it takes none."""

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from bubblyphone.core.api.described import operation_of
from bubblyphone.core.errors import InvalidRequest

UNKNOWN_FIELD = "Unknown field."


class ReadableBody(BasePermission):
    """A request that changes something has no body, or one that is read as a whole. Raises InvalidRequest.

    A permission, since those run for every view after authentication. Where the API's description has no body, every field is
    unknown; where it has one, the view's serializer decides.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        is_offered = hasattr(view, (request.method or "").lower())  # else it is 405
        if not is_offered or request.method in SAFE_METHODS:
            return True
        body, operation = request.data, operation_of(request)
        if body and operation is not None and operation.body is None:
            names = list(body) if isinstance(body, Mapping) else []
            raise InvalidRequest({name: [UNKNOWN_FIELD] for name in names} or {"body": ["No body is expected."]})
        return True
