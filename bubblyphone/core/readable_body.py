"""The refusal of bodies that no endpoint of the API can read, also where it takes none."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class ReadableBody(BasePermission):
    """A request that changes something has no body, or one that is read as a whole. Raises InvalidRequest.

    A permission, since those run for every view after authentication.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        is_offered = hasattr(view, (request.method or "").lower())  # else it is 405
        if is_offered and request.method not in SAFE_METHODS:
            _ = request.data
        return True
