"""Deletion of expired rows (a scheduled job)."""

from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.utils import timezone

from accounts.idempotency import LIFE
from accounts.models import BrowserSession, IdempotentAnswer, SessionToken
from bubblyphone.core.pages import once


def purge() -> None:
    """Delete idempotent answers after 24 h, expired sessions, and records of submitted forms."""
    now = timezone.now()
    IdempotentAnswer.objects.filter(created_at__lt=now - LIFE).delete()
    SessionToken.objects.filter(expires_at__lt=now).delete()
    once.purge()
    BrowserSession.objects.filter(last_seen_at__lt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE)).delete()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
