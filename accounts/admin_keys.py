"""What an ordinary API key may not change: API keys, caps, policy, sessions, endpoints, carrier accounts. Stolen, it could lift its limits.

Session tokens and admin keys may; only a session token can create an admin key.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from accounts.models import ApiKey
from bubblyphone.core.errors import Forbidden

CODE = "admin_key_required"
# For the API's description.
ERRORS = {403: f"Requires a session token or an admin key (`reason`: `{CODE}`)."}
CAP_ERRORS = {403: f"Changing a cap requires a session token or an admin key (`reason`: `{CODE}`)."}


class ChangesNeedAdminKey(IsAuthenticated):
    """Reading is open to every key. Anything else raises Forbidden with an ordinary one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_known = super().has_permission(request, view)
        is_offered = hasattr(view, (request.method or "").lower())  # else it is 405
        if is_known and is_offered and request.method not in SAFE_METHODS:
            require_admin_key(request)
        return is_known


def api_key_of(request: Request) -> ApiKey | None:
    """The key that was sent; None with a session token."""
    return request.auth if isinstance(request.auth, ApiKey) else None


def name_of(request: Request) -> str:
    """Who sends a request, for people: the name of the API key, or with a session token the account user's email address."""
    key = api_key_of(request)
    return key.label if key is not None else str(request.user)


def require_admin_key(request: Request) -> None:
    """Raises Forbidden where the request came with an ordinary API key."""
    if isinstance(request.auth, ApiKey) and not request.auth.is_admin:
        raise Forbidden("This API key cannot do that. Use an admin key or a session token.", code=CODE)


def require_admin_key_to_change(
    names: Iterable[str], owner: object, changes: Mapping[str, Any], request: Request
) -> None:
    """Raises Forbidden where `changes` would give one of these attributes of `owner` another value, with an ordinary key."""
    if any(name in changes and changes[name] != getattr(owner, name) for name in names):
        require_admin_key(request)


def require_session(request: Request) -> None:
    """Raises Forbidden where the request came with an API key of any kind."""
    if isinstance(request.auth, ApiKey):
        raise Forbidden("Only a session token can create an admin key. Log in to create one.", code=CODE)
