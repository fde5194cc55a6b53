"""`manage.py rotate_encryption` re-encrypts every stored secret with the newest key."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from agents.models import ModelKey
from agents.services import create_model_key
from bubblyphone.core.crypto import decrypt
from tests.factories import make_developer, make_secret_for
from webhooks.sending.signing import rotate_signing_secret, signing_keys

pytestmark = pytest.mark.django_db


def rotate() -> str:
    output = StringIO()
    call_command("rotate_encryption", stdout=output)
    return output.getvalue().strip()


def test_every_secret_is_encrypted_with_the_newest_key(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    developer = make_developer()
    secret, first = make_secret_for(developer)
    second = rotate_signing_secret(secret_id=secret.pk)
    key = create_model_key(developer=developer, provider="openai", api_key="sk-proj-abc123")
    settings.ENCRYPTION_KEYS = [new, old]
    fresh = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    assert rotate() == "3 secrets were re-encrypted with the newest key."
    assert rotate() == "0 secrets were re-encrypted with the newest key."
    settings.ENCRYPTION_KEYS = [new]
    secret.refresh_from_db()
    assert (signing_keys(secret).current, signing_keys(secret).previous) == (second, first)
    assert decrypt(ModelKey.objects.get(pk=key.pk).encrypted) == "sk-proj-abc123"
    assert ModelKey.objects.get(pk=fresh.pk).encrypted == fresh.encrypted


def test_secrets_that_no_key_decrypts_are_reported_and_left_unchanged(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    key = create_model_key(developer=make_developer(), provider="openai", api_key="sk-proj-abc123")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=r"^1 secrets could not be decrypted"):
        rotate()
    assert ModelKey.objects.get().encrypted == key.encrypted


def test_all_encrypted_columns_are_listed() -> None:
    found = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if "encrypted" in field.name
    }
    assert found == {(label, name) for label, names in django_settings.ENCRYPTED_FIELDS.items() for name in names}
