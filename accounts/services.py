"""Accounts: registering, signing in, keys and sessions. Secrets are returned once and kept as hashes."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts import email_verification, throttles
from accounts.authentication import KEY_PREFIX
from accounts.extension_points import ACCOUNT_OPENED
from accounts.models import ApiKey, BrowserSession, Developer, SessionToken
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.crypto import hash_secret, make_secret
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import ApplicationError, InvalidRequest, NotFound, TooManyRequests


class WrongCredentials(ApplicationError):
    status = 401
    code = "wrong_credentials"


def register(
    *, name: str, email: str, password: str, address: str, company_name: str = "", time_zone: str = "UTC"
) -> Developer:
    """Open an account and email a link that confirms its address.

    `address` is the client's. Raises InvalidRequest if the email is taken, in any letter case; TooManyRequests.
    """
    throttles.count_registration(address=address)
    try:
        with transaction.atomic():
            developer = Developer.objects.create_user(
                email, password, name=name, company_name=company_name, time_zone=time_zone
            )
            for opened in ACCOUNT_OPENED:
                opened(developer.pk)
            with suppress(TooManyRequests):  # someone registered it before and deleted that account
                email_verification.request_link(developer=developer)
            return developer
    except IntegrityError as error:
        raise InvalidRequest({"email": ["The email has already been taken."]}) from error


def sign_in(*, email: str, password: str, address: str) -> Developer:
    """The developer with this email and password. Raises WrongCredentials, or TooManyRequests after too many failures (`throttles`)."""
    known = Developer.objects.filter(email=email.strip().lower()).first()
    limits = throttles.password_limits(email=email, address=address, developer=known)
    throttles.count_attempt(limits)
    developer = authenticate(username=email, password=password)
    if not isinstance(developer, Developer):
        raise WrongCredentials("Wrong email or password.")
    throttles.forgive(limits)
    return developer


def open_session(*, developer: Developer) -> str:
    """A new session token `id|secret`, valid SESSION_TOKEN_DAYS."""
    secret = make_secret()
    token = SessionToken.objects.create(
        developer=developer,
        secret_hash=hash_secret(secret),
        expires_at=timezone.now() + timedelta(days=settings.SESSION_TOKEN_DAYS),
    )
    return f"{token.pk}|{secret}"


def update_profile(*, developer: Developer, name: str, company_name: str, time_zone: str) -> None:
    """Change name, company and time zone; the email address stays."""
    developer.name, developer.company_name, developer.time_zone = name, company_name, time_zone
    developer.save(update_fields=["name", "company_name", "time_zone"])


def change_email(*, developer: Developer, email: str) -> None:
    """Change an account's email. The new address is unverified until its link is opened; the old one is notified.

    The only way in which the address of an account changes. Raises InvalidRequest for one that is taken.
    """
    email = email.strip().lower()
    try:
        with transaction.atomic():
            changed = Developer.objects.select_for_update(of=("self",)).get(pk=developer.pk)
            old = changed.email
            if email == old:
                return
            changed.email, changed.email_verified_at = email, None
            changed.save(update_fields=["email", "email_verified_at"])
            enqueue(email_verification.tell_old_address, changed.pk, old)
            enqueue(email_verification.send_link, changed.pk)
    except IntegrityError as error:
        raise InvalidRequest({"email": ["The email has already been taken."]}) from error
    developer.refresh_from_db(fields=["email", "email_verified_at"])


def close_session(*, token: SessionToken) -> None:
    """Sign out: delete the token."""
    token.delete()


def close_session_by_id(*, developer: Developer, pk: int) -> None:
    """End an API session. Raises NotFound if it is not the developer's."""
    if not SessionToken.objects.filter(developer=developer, pk=pk).delete()[0]:
        raise NotFound("Not found.")


def close_all_sessions(*, developer: Developer) -> None:
    """Sign out everywhere: every session token and every browser. API keys stay; they are revoked one by one."""
    SessionToken.objects.filter(developer=developer).delete()
    BrowserSession.objects.filter(developer=developer).delete()
    Developer.objects.filter(pk=developer.pk).update(session_generation=F("session_generation") + 1)


def issue_api_key(
    *, developer: Developer, label: str = "Default", daily_cap: Decimal | None = None, is_admin: bool = False
) -> tuple[ApiKey, str]:
    """A new key and its plaintext `bp_live_sk_…`, which is shown once. `daily_cap`: USD a day for calls placed with it.

    `is_admin`: it may change keys, caps and sessions (`accounts.admin_keys`).
    """
    plaintext = make_secret(KEY_PREFIX)
    hint = f"{KEY_PREFIX}…{plaintext[-4:]}"
    key = ApiKey.objects.create(
        developer=developer,
        label=label,
        hint=hint,
        secret_hash=hash_secret(plaintext),
        daily_cap=daily_cap,
        is_admin=is_admin,
    )
    return key, plaintext


def update_api_key(*, developer: Developer, key_id: int, **changes: Any) -> ApiKey:
    """Change `label` and `daily_cap`, if given. Raises NotFound, as `revoke_api_key` does."""
    key = get_row(ApiKey.objects.filter(developer=developer, revoked_at=None), pk=key_id)
    for name, value in changes.items():
        setattr(key, name, value)
    key.save(update_fields=sorted(changes))
    return key


def revoke_api_key(*, developer: Developer, key_id: int) -> None:
    """Revoke a key permanently. Raises NotFound if it is not the developer's or already revoked."""
    keys = ApiKey.objects.filter(pk=key_id, developer=developer, revoked_at=None)
    if not keys.update(revoked_at=timezone.now()):
        raise NotFound("Not found.")
