"""Staff for tests: accounts with a role, and a browser that is signed in with two factors."""

import time
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.oath import TOTP

from accounts.models import Developer
from bubblyphone.core.crypto import decrypt, encrypt
from staff.models import Authenticator
from tests.factories import make_developer

KEY = "3132333435363738393031323334353637383930"


def make_staff(role: str = "", **fields: Any) -> Developer:
    """Staff in the role's group, or a superuser without a role."""
    developer = make_developer(**{"is_staff": True, "is_superuser": not role, **fields})
    if role:
        developer.groups.add(Group.objects.get(name=role))
    return developer


def staff_client(developer: Developer) -> Client:
    """A browser that is signed in with password and code."""
    device, _ = Authenticator.objects.get_or_create(
        user=developer, confirmed=True, defaults={"name": "Phone", "encrypted": encrypt(KEY)}
    )
    client = Client()
    client.force_login(developer)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return client


def code_of(device: Authenticator, *, step: int | None = None) -> str:
    """The code that the phone shows now, or in that step of 30 seconds since 1970."""
    totp = TOTP(bytes.fromhex(decrypt(device.encrypted)))
    totp.time = time.time() if step is None else 30 * step
    return f"{totp.token():06d}"
