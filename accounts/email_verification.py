"""Confirming an email address with a signed link.

We store only when it was confirmed. An account works without confirmation; the dashboard shows a reminder.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from accounts import emails, throttles
from accounts.models import Developer
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import NotFound

LIFE = timedelta(days=3)
_SALT = "accounts.email_verification"


def request_link(*, developer: Developer) -> None:
    """Queue the email; can be repeated. Raises TooManyRequests if the address already received several within the hour."""
    throttles.count_verification_mail(email=developer.email)
    enqueue(send_link, developer.pk)


def send_link(developer_id: int) -> None:
    """Job: send the link, unless the address was confirmed meanwhile."""
    developer = Developer.objects.filter(pk=developer_id, email_verified_at=None, is_active=True).first()
    if developer is not None:
        link = f"{settings.PUBLIC_URL}{reverse('verify-email', args=[make_token(developer)])}"
        emails.send(developer, "verify_address", {"link": link})


def tell_old_address(developer_id: int, old: str) -> None:
    """Job: notify the account's previous address, because its owner may not have requested the change."""
    emails.send(Developer.objects.get(pk=developer_id), "email_changed", {"old": old}, to=old)


def make_token(developer: Developer) -> str:
    """A token, valid for LIFE and for this address only."""
    return signing.dumps({"id": developer.pk, "email": developer.email}, salt=_SALT)


def read_token(token: str) -> Developer:
    """The developer of a token. Raises NotFound for an expired or invalid token."""
    try:
        claimed = signing.loads(token, salt=_SALT, max_age=LIFE)
    except signing.BadSignature as error:
        raise NotFound("Not found.") from error
    return get_row(Developer.objects.filter(is_active=True), pk=claimed["id"], email=claimed["email"])


def verify(*, token: str) -> Developer:
    """Confirm the address. Raises NotFound as `read_token` does; repeating it changes nothing."""
    developer = read_token(token)
    Developer.objects.filter(pk=developer.pk, email_verified_at=None).update(email_verified_at=timezone.now())
    return developer
