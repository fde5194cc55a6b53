"""Signing secrets, and the headers that sign a request with one."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.crypto import decrypt, encrypt, make_secret
from webhooks.models import SigningSecret

USER_AGENT = "BubblyPhone-Webhooks/1.0"
PREVIOUS_SECRET_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """A decrypted signing secret, for as long as something must be signed. Never logged, never stored."""

    current: str = field(repr=False)
    previous: str = field(default="", repr=False)
    previous_valid_until: datetime | None = None

    def valid_at(self, timestamp: int) -> list[str]:
        """The keys that sign at a time in Unix seconds, newest first."""
        lapses = self.previous_valid_until
        if self.previous and lapses is not None and datetime.fromtimestamp(timestamp, UTC) < lapses:
            return [self.current, self.previous]
        return [self.current]


def make_signing_secret(*, developer: Developer) -> tuple[SigningSecret, str]:
    """A new secret and its plaintext `whsec_…`, which is shown once."""
    plaintext = make_secret("whsec_")
    return SigningSecret.objects.create(developer=developer, encrypted=encrypt(plaintext)), plaintext


def rotate_signing_secret(*, secret_id: int) -> str:
    """Replace the key and return its plaintext. The old one also signs for 24 h; an even older one expires now."""
    plaintext = make_secret("whsec_")
    with transaction.atomic():
        secret = SigningSecret.objects.select_for_update().get(pk=secret_id)
        secret.previous_encrypted = secret.encrypted
        secret.previous_valid_until = timezone.now() + PREVIOUS_SECRET_LIFETIME
        secret.encrypted = encrypt(plaintext)
        secret.save()
    return plaintext


def signing_keys(secret: SigningSecret) -> SigningKeys:
    """Decrypt. Raises cryptography.fernet.InvalidToken when ENCRYPTION_KEYS has lost the key."""
    previous = _decrypt(secret.previous_encrypted) if secret.previous_encrypted else ""
    return SigningKeys(_decrypt(secret.encrypted), previous, secret.previous_valid_until)


def _decrypt(token: str) -> str:
    return _decrypt_once(token, tuple(settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=1000)
def _decrypt_once(token: str, keys: tuple[str, ...]) -> str:
    """Each message is signed, and decrypting took a tenth of the time of sending one."""
    return decrypt(token)


def signature_headers(keys: SigningKeys, body: str, webhook_id: str, timestamp: int) -> dict[str, str]:
    """All headers of one attempt at `timestamp` (Unix seconds). If two keys are valid, both sign, newest first."""
    message = f"{timestamp}.{body}".encode()
    digests = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest() for key in keys.valid_at(timestamp)]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Signature": ",".join(f"sha256={digest}" for digest in digests),
        "X-Timestamp": str(timestamp),
        "X-Webhook-Id": webhook_id,
    }
