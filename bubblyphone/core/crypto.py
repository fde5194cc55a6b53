"""Stored secrets: Fernet (newest key of ENCRYPTION_KEYS first) for secrets that must be read again, SHA-256 for those that must only be
compared.
"""

import hashlib
import secrets
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is not set; generate one with cryptography's Fernet.generate_key()."
        )
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> str:
    """Encrypt for the database. Raises ImproperlyConfigured without a key."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Decrypt the output of `encrypt`, with any of the configured keys. Raises cryptography.fernet.InvalidToken."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()).decode()


def renew(token: str) -> str:
    """The same secret encrypted with the newest key; unchanged if it already is. Raises cryptography.fernet.InvalidToken."""
    try:
        Fernet(settings.ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).rotate(token.encode()).decode()
    return token


def key_fingerprints() -> list[str]:
    """Identify the configured keys without revealing them: 64 bits of their SHA-256, newest first."""
    return [hashlib.sha256(key.encode()).hexdigest()[:16] for key in settings.ENCRYPTION_KEYS]


def make_secret(prefix: str = "") -> str:
    """A new random secret of 240 bits in letters, digits, `-` and `_`."""
    return prefix + secrets.token_urlsafe(30)


def hash_secret(secret: str) -> str:
    """Fingerprint of a secret that we generated. No salt and no key stretching: 240 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()
