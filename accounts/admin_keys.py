"""What a standard API key cannot change: API keys, caps, policy, sessions, endpoints, carrier accounts.

Otherwise a stolen key could raise its own limits. Session tokens and admin keys can; only a session token can create an admin key.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import ApiKey
from bubblyphone.core.api.known_parameters import KnownParameters
from bubblyphone.core.api.readable_body import ReadableBody
from bubblyphone.core.errors import Forbidden

CODE = "admin_key_required"
# For the API's description.
ERRORS = {403: f"Requires a session token or an admin key (`reason`: `{CODE}`)."}
CAP_ERRORS = {403: f"Changing a cap requires a session token or an admin key (`reason`: `{CODE}`)."}


class ChangesNeedAdminKey(IsAuthenticated):
    """Any key may read. Other requests raise Forbidden for a standard key."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_known = super().has_permission(request, view)
        is_offered = hasattr(view, (request.method or "").lower())  # otherwise 405
        if is_known and is_offered and request.method not in SAFE_METHODS:
            require_admin_key(request)
        return is_known


class AdminKeyView(APIView):
    """An endpoint that any key may read. Changes require an admin key or a session token."""

    errors_of_changes = ERRORS
    permission_classes = [ChangesNeedAdminKey, KnownParameters, ReadableBody]


def api_key_of(request: Request) -> ApiKey | None:
    """The API key of the request; None with a session token."""
    return request.auth if isinstance(request.auth, ApiKey) else None


def name_of(request: Request) -> str:
    """The sender of a request, for people: the name of the API key, or the account's email address with a session token."""
    key = api_key_of(request)
    return key.label if key is not None else str(request.user)


def require_admin_key(request: Request) -> None:
    """Raises Forbidden if the request was sent with a standard API key."""
    if isinstance(request.auth, ApiKey) and not request.auth.is_admin:
        raise Forbidden("This API key cannot do that. Use an admin key or a session token.", code=CODE)


def require_admin_key_to_change(
    names: Iterable[str], owner: object, changes: Mapping[str, Any], request: Request
) -> None:
    """Raises Forbidden if `changes` would change one of these attributes of `owner` and the request was sent with a standard key."""
    if any(name in changes and changes[name] != getattr(owner, name) for name in names):
        require_admin_key(request)


def require_session(request: Request) -> None:
    """Raises Forbidden if the request was sent with an API key of any kind."""
    if isinstance(request.auth, ApiKey):
        raise Forbidden("Only a session token can create an admin key. Log in to create one.", code=CODE)
