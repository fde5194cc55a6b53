"""Two-factor authentication: setup, checking codes, reset."""

import base64
import io
import secrets
from urllib.parse import quote, urlencode

import django_otp
import qrcode
from django.conf import settings
from django.db import transaction
from qrcode.image.svg import SvgPathImage

from accounts.models import Developer
from bubblyphone.core.crypto import decrypt, encrypt, hash_secret
from staff.models import Authenticator, RecoveryCodes

ISSUER = "BubblyPhone"
KEY_BYTES = 20  # the length of SHA-1's output, as RFC 4226 (4, R6) recommends
RECOVERY_CODES = 10
CODE_BYTES = 10  # 80 bits: 16 letters and digits in base 32


def is_enrolled(developer: Developer) -> bool:
    return bool(Authenticator.objects.filter(user=developer, confirmed=True).exists())


def is_required(developer: Developer) -> bool:
    """In production for all staff; in the demo for those who have set it up."""
    return settings.STAFF_SECOND_FACTOR or is_enrolled(developer)


def begin(developer: Developer) -> Authenticator:
    """The key to set up: the same one until its first correct code."""
    key = secrets.token_bytes(KEY_BYTES).hex()
    defaults = {"name": "Authenticator", "encrypted": encrypt(key)}
    found: Authenticator = Authenticator.objects.get_or_create(user=developer, confirmed=False, defaults=defaults)[0]
    return found


def key_text(authenticator: Authenticator) -> str:
    """The key for manual entry in an app: base 32."""
    return base64.b32encode(bytes.fromhex(decrypt(authenticator.encrypted))).decode().rstrip("=")


def qr_svg(authenticator: Authenticator) -> str:
    """The key as a QR code (the otpauth:// URL that authenticator apps read)."""
    label = quote(f"{ISSUER}:{authenticator.user.email}")
    address = f"otpauth://totp/{label}?{urlencode({'secret': key_text(authenticator), 'issuer': ISSUER})}"
    picture = io.BytesIO()
    qrcode.make(address, image_factory=SvgPathImage).save(picture)
    text = picture.getvalue().decode()
    return text[text.index("<svg") :]


@transaction.atomic
def confirm(developer: Developer, code: str) -> tuple[Authenticator, list[str]] | None:
    """Confirm setup if the first code is correct; returns the recovery codes, which are shown only once."""
    waiting = Authenticator.objects.select_for_update().filter(user=developer, confirmed=False).first()
    if is_enrolled(developer) or waiting is None or not waiting.verify_token(_plain(code)):
        return None
    waiting.confirmed = True
    waiting.save(update_fields=["confirmed"])
    codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCodes.objects.filter(user=developer).delete()
    RecoveryCodes.objects.create(user=developer, name="Recovery codes", hashes=[hash_secret(one) for one in codes])
    return waiting, ["-".join(one[place : place + 4] for place in range(0, 16, 4)) for one in codes]


def is_recovery(code: str) -> bool:
    """Whether the code has the form of a recovery code; otherwise it has six digits."""
    return not _plain(code).isdigit()


def check(developer: Developer, code: str) -> Authenticator | RecoveryCodes | None:
    """The device of this code, six digits or a recovery code. None if it is wrong."""
    kind, code = RecoveryCodes if is_recovery(code) else Authenticator, _plain(code)
    device = kind.objects.filter(user=developer, confirmed=True).first()
    if device is None:
        return None
    found: Authenticator | RecoveryCodes | None = django_otp.verify_token(developer, device.persistent_id, code)
    return found


@transaction.atomic
def reset(developer: Developer) -> None:
    """Delete phone and codes: the next sign-in starts setup again."""
    Authenticator.objects.filter(user=developer).delete()
    RecoveryCodes.objects.filter(user=developer).delete()


def _plain(code: str) -> str:
    return "".join(code.replace("-", " ").split()).lower()
