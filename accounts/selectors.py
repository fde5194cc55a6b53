"""Reading accounts' data."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiKey, Developer, SessionToken
from bubblyphone.core.errors import Forbidden


def require_active(developer_id: int) -> None:
    """Raises Forbidden (`account_deactivated`) for an account that staff deactivated or its owner deleted."""
    if not Developer.objects.filter(pk=developer_id, is_active=True).exists():
        raise Forbidden("This account is deactivated.", code="account_deactivated")


def active_api_keys(developer: Developer) -> QuerySet[ApiKey]:
    """API keys that have not been revoked."""
    return ApiKey.objects.filter(developer=developer, revoked_at=None)


def open_sessions(developer: Developer) -> QuerySet[SessionToken]:
    """Session tokens of the API that have not expired."""
    return SessionToken.objects.filter(developer=developer, expires_at__gt=timezone.now())
