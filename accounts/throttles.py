"""Limits on guessing secrets, on email, on new accounts and on exports, built so that nobody can use them up for someone else.

Wrong passwords and codes count for the account and the client's address together, so that an attacker locks out only their own
address. An address also has a wider limit for all accounts. Addresses are counted as in `core.network.http.network_of`.

Six-digit codes also have a limit for the account, because an attacker who knows the password could guess them from many
addresses. The limit does not lock out the owner, who can use a recovery code, or reset the password, which begins a new count.
"""

import hashlib
from collections.abc import Iterable, Mapping

from django.conf import settings

from accounts.models import Developer
from bubblyphone.core.errors import TooManyRequests
from bubblyphone.core.network.http import network_of
from bubblyphone.core.redis.ratelimit import hit, take_back

REFUSED = "Too many failed attempts. Try again later."
HOUR_SECONDS = 3600
PASSWORDS_PER_ACCOUNT = 20
PASSWORDS_PER_ADDRESS = 300
CODES_PER_ACCOUNT = 10
DIGITS_PER_ACCOUNT = 50  # from all addresses: a chance of 1 in 6,600 an hour, as three codes are valid at a time
CODES_PER_ADDRESS = 60
RESETS_PER_ACCOUNT = 5
RESETS_PER_ADDRESS = 30
# Per account and address. When the limit is reached, the last link sent is still valid.
RESET_MAILS_PER_RECIPIENT = 10
VERIFICATION_MAILS_PER_RECIPIENT = 3
EXPORTS_PER_ACCOUNT = 10

Limits = Mapping[str, int]  # bucket → how many an hour


def password_limits(*, email: str, address: str, developer: Developer | None) -> Limits:
    """For wrong passwords. A new password starts a new count: the password's hash is part of the bucket's name."""
    network, account = network_of(address), _digest(email, developer.password if developer else "")
    return {f"password:{account}:{network}": PASSWORDS_PER_ACCOUNT, f"password:{network}": PASSWORDS_PER_ADDRESS}


def code_limits(*, developer: Developer, address: str, is_recovery: bool) -> Limits:
    """For wrong codes of a second factor: six digits, or recovery codes, which are too long to be guessed."""
    kind, network = "recovery-code" if is_recovery else "code", network_of(address)
    limits = {f"{kind}:{developer.pk}:{network}": CODES_PER_ACCOUNT, f"{kind}:{network}": CODES_PER_ADDRESS}
    if not is_recovery:
        limits[f"{kind}:{_digest(developer.email, developer.password)}"] = DIGITS_PER_ACCOUNT
    return limits


def count_attempt(limits: Limits) -> None:
    """Count an attempt before it is checked, so that many concurrent attempts cannot pass the limits together; call `forgive` after a
    correct one. Raises TooManyRequests without counting anything.
    """
    counted: list[str] = []
    for bucket, limit in limits.items():
        allowance = hit(bucket, limit=limit, window_seconds=HOUR_SECONDS)
        if allowance.is_exceeded:
            forgive(counted)
            raise TooManyRequests(REFUSED, allowance.retry_after)
        counted.append(bucket)


def forgive(buckets: Iterable[str]) -> None:
    """Take back the attempt that was just counted."""
    for bucket in buckets:
        take_back(bucket)


def may_mail_reset(*, email: str, address: str) -> bool:
    """Count a request for a reset link and return whether to send the email. Raises TooManyRequests past the limit.

    A recipient at the hourly limit gets no more emails; the response does not reveal that.
    """
    network, recipient = network_of(address), _digest(email)
    limits = {f"reset:{recipient}:{network}": RESETS_PER_ACCOUNT, f"reset:{network}": RESETS_PER_ADDRESS}
    _count(limits, "Too many password reset requests. Try again later.")
    mails = hit(f"reset-mail:{recipient}", limit=RESET_MAILS_PER_RECIPIENT, window_seconds=HOUR_SECONDS)
    return not mails.is_exceeded


def count_verification_mail(*, email: str) -> None:
    """Raises TooManyRequests if the address already received too many emails."""
    limits = {f"verification-mail:{_digest(email)}": VERIFICATION_MAILS_PER_RECIPIENT}
    _count(limits, "We already sent this email several times. Try again later.")


def count_registration(*, address: str) -> None:
    """One limit shared by page and API. Raises TooManyRequests."""
    _count(
        {f"registration:{network_of(address)}": settings.REGISTRATIONS_PER_HOUR},
        "Too many new accounts from this address. Try again later.",
    )


def count_export(developer: Developer) -> None:
    """Raises TooManyRequests past the limit. An export reads every table of the account."""
    _count(
        {f"export:{developer.pk}": EXPORTS_PER_ACCOUNT},
        "You have exported your data many times in the last hour. Try again later.",
    )


def _count(limits: Limits, message: str) -> None:
    for bucket, limit in limits.items():
        allowance = hit(bucket, limit=limit, window_seconds=HOUR_SECONDS)
        if allowance.is_exceeded:
            raise TooManyRequests(message, allowance.retry_after)


def _digest(email: str, *more: str) -> str:
    return hashlib.sha256("\n".join([email.strip().lower(), *more]).encode()).hexdigest()[:32]
