"""Verifies that a webhook is from Telnyx. https://developers.telnyx.com/docs/development/api-fundamentals/webhooks/receiving-webhooks"""

import base64
import binascii
import re
import time
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature as SignatureMismatch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from phone_numbers.carriers.base import InvalidSignature

# The limit of Telnyx's own SDK. A longer one would leave more time to replay an intercepted webhook.
TOLERANCE_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}")  # Unix time in seconds


def verify(*, public_key: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None:
    """Check the ed25519 signature over `<timestamp>|<raw body>`. `public_key` is base64 of 32 bytes.

    Raises InvalidSignature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp = given.get("telnyx-timestamp", "")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    except ValueError as error:
        raise InvalidSignature("TELNYX_PUBLIC_KEY is not the base64 of an ed25519 public key.") from error
    if not _TIMESTAMP.fullmatch(timestamp):
        raise InvalidSignature("The signature does not match.")
    try:
        age_seconds = (time.time() if now is None else now) - int(timestamp)
        signature = base64.b64decode(given.get("telnyx-signature-ed25519", ""), validate=True)
        key.verify(signature, timestamp.encode() + b"|" + body)
    except (SignatureMismatch, binascii.Error, ValueError) as error:
        raise InvalidSignature("The signature does not match.") from error
    if abs(age_seconds) > TOLERANCE_SECONDS:
        raise InvalidSignature("The webhook's timestamp is too old or in the future.")
