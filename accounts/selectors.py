"""Reading accounts' data."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiKey, Developer, SessionToken
from bubblyphone.core.errors import Forbidden


def require_active(developer_id: int) -> None:
    """Raises Forbidden (`account_deactivated`) for an account that staff deactivated or its owner deleted."""
    _refuse_unless(Developer.objects.filter(pk=developer_id, is_active=True).exists())


def refuse_deactivated(developer: Developer) -> None:
    """`require_active`, for an account that was just read."""
    _refuse_unless(developer.is_active)


def _refuse_unless(is_active: bool) -> None:
    if not is_active:
        raise Forbidden("This account is deactivated.", code="account_deactivated")


def active_api_keys(developer: Developer) -> QuerySet[ApiKey]:
    """API keys that have not been revoked."""
    return ApiKey.objects.filter(developer=developer, revoked_at=None)


def open_sessions(developer: Developer) -> QuerySet[SessionToken]:
    """Session tokens of the API that have not expired."""
    return SessionToken.objects.filter(developer=developer, expires_at__gt=timezone.now())
