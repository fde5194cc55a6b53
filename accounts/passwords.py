"""Changing a password: with the current one, or with an emailed link that works once."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import emails, services, throttles
from accounts.models import ApiKey, Developer
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import InvalidRequest

LONGEST_ID = 18  # digits that PostgreSQL accepts as an id


def request_reset(*, email: str, address: str) -> None:
    """Send a link if the account exists. Neither the response nor its timing reveals whether it does.

    Raises TooManyRequests if the client address has asked too often.
    """
    email = email.strip().lower()
    if throttles.may_mail_reset(email=email, address=address):
        enqueue(send_link, email)


def send_link(email: str) -> None:
    """Job: send the link, if the address is known."""
    developer = Developer.objects.filter(email=email, is_active=True).first()
    if developer is not None:
        link = f"{settings.PUBLIC_URL}{reverse('reset-password', args=[make_token(developer)])}"
        emails.send(developer, "reset_password", {"link": link})


def make_token(developer: Developer) -> str:
    """A token, valid for PASSWORD_RESET_TIMEOUT, until the password changes or the developer signs in with the current one."""
    return f"{developer.pk}-{default_token_generator.make_token(developer)}"


def is_valid(token: str) -> bool:
    """Whether `reset` would accept this token now."""
    return _read_token(token) is not None


def reset(*, token: str, password: str) -> Developer:
    """Set a new password and end all sessions.

    Raises InvalidRequest for a used, expired or invalid token. The link proves that the developer owns the email address. If nobody
    proved that before, a stranger may have opened the account in the developer's name, so its API keys are revoked too.
    """
    with transaction.atomic():
        # Locked, so that of two requests with the same token the second finds it used.
        developer = _read_token(token, lock=True)
        if developer is None:
            raise InvalidRequest({"token": ["This link has expired or was already used. Request a new one."]})
        if developer.email_verified_at is None:
            ApiKey.objects.filter(developer=developer, revoked_at=None).update(revoked_at=timezone.now())
            developer.email_verified_at = timezone.now()
        _set(developer, password)
    return developer


def change(*, developer: Developer, current_password: str, password: str, address: str) -> None:
    """Set a new password and end all sessions. Raises InvalidRequest for a wrong current one, TooManyRequests as `sign_in`."""
    try:
        services.sign_in(email=developer.email, password=current_password, address=address)
    except services.WrongCredentials as error:
        raise InvalidRequest({"current_password": ["Wrong password. Enter your current password."]}) from error
    with transaction.atomic():
        _set(developer, password)


def send_notice(developer_id: int) -> None:
    """Job: notify the developer, who may not have made the change."""
    developer = Developer.objects.get(pk=developer_id)
    emails.send(developer, "password_changed", {"link": f"{settings.PUBLIC_URL}{reverse('forgot-password')}"})


def _set(developer: Developer, password: str) -> None:
    developer.set_password(password)
    developer.save(update_fields=["password", "email_verified_at"])
    services.close_all_sessions(developer=developer)
    enqueue(send_notice, developer.pk)


def _read_token(token: str, *, lock: bool = False) -> Developer | None:
    pk, _, secret = token.partition("-")
    if not (pk.isascii() and pk.isdecimal() and len(pk) <= LONGEST_ID):
        return None
    developers = Developer.objects.select_for_update(of=("self",)) if lock else Developer.objects
    developer = developers.filter(pk=int(pk), is_active=True).first()
    return developer if developer and default_token_generator.check_token(developer, secret) else None
