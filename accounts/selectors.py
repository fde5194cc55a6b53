"""Reading accounts' data."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ApiKey, Developer, SessionToken


def active_api_keys(developer: Developer) -> QuerySet[ApiKey]:
    """The keys that still open the door."""
    return ApiKey.objects.filter(developer=developer, revoked_at=None)


def open_sessions(developer: Developer) -> QuerySet[SessionToken]:
    """Session tokens of the API that have not expired."""
    return SessionToken.objects.filter(developer=developer, expires_at__gt=timezone.now())
