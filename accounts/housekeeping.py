"""What is thrown away by and by; a schedule calls it (settings.SCHEDULES)."""

from django.utils import timezone

from accounts.idempotency import LIFE
from accounts.models import IdempotentAnswer, SessionToken


def purge() -> None:
    """Forget idempotent answers after their 24 h, and session tokens that have expired."""
    now = timezone.now()
    IdempotentAnswer.objects.filter(created_at__lt=now - LIFE).delete()
    SessionToken.objects.filter(expires_at__lt=now).delete()
