"""Two-factor authentication for staff: django-otp devices whose secrets are encrypted or hashed like all of ours."""

import re
import time
from typing import ClassVar

from django.conf import settings
from django.db import models
from django_otp.models import Device, DeviceManager
from django_otp.oath import TOTP

from bubblyphone.core.crypto import decrypt, hash_secret

# Codes of the previous and next step are also accepted, because clocks differ (RFC 6238, 5.2).
TOLERANCE_STEPS = 1


class SecondFactor(Device):  # type: ignore[misc]
    """Shared by both device types. `accounts.throttles` limits wrong codes per address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    objects: ClassVar[DeviceManager]

    class Meta:
        abstract = True

    def verify_token(self, token: str) -> bool:
        """Accept a code if it is correct; on a locked row (`django_otp.verify_token`)."""
        if not self.take(token):
            return False
        self.save()
        return True

    def take(self, token: str) -> bool:
        """Whether the code is correct; if so, changes the row, which the caller saves, so that the code is used up."""
        raise NotImplementedError


class Authenticator(SecondFactor):
    """An authenticator app that shows a new six-digit code every 30 s (TOTP, RFC 6238). Unconfirmed until its first correct code."""

    encrypted = models.TextField()  # the key, in hexadecimal
    last_step = models.BigIntegerField(default=-1)  # of the last accepted code: no code is accepted twice

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "confirmed"], name="authenticator_once")]

    def take(self, token: str) -> bool:
        if not re.fullmatch(r"(?a:\d{6})", token):
            return False
        totp = TOTP(bytes.fromhex(decrypt(self.encrypted)))
        totp.time = time.time()
        if not totp.verify(int(token), tolerance=TOLERANCE_STEPS, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryCodes(SecondFactor):
    """Codes for when the phone is lost; each works once. Only their hashes are stored."""

    hashes = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "recovery codes"

    def take(self, token: str) -> bool:
        found = hash_secret(token)
        if found not in self.hashes:
            return False
        self.hashes = [one for one in self.hashes if one != found]
        return True
