"""Developers, and the secrets that identify them: passwords, API keys and sessions."""

from collections.abc import Iterator
from typing import Any, ClassVar
from unicodedata import normalize

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from bubblyphone.core.money import MONEY_FIELD


class DeveloperManager(BaseUserManager["Developer"]):
    """For creation only; read with plain Django."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Developer":
        developer = self.model(email=email.strip().lower(), **fields)
        developer.set_password(password)
        developer.save(using=self._db)
        return developer

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "Developer":
        """Created by the operator, so the address needs no confirmation."""
        vouched = {"is_staff": True, "is_superuser": True, "email_verified_at": timezone.now()}
        return self.create_user(email, password, **{**vouched, **fields})

    def get_by_natural_key(self, username: str | None) -> "Developer":
        return self.get(email=(username or "").strip().lower())


class Developer(AbstractBaseUser, PermissionsMixin):
    """An account: signs in, owns numbers and calls, and pays for them. Email addresses are stored in lower case."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150)
    company_name = models.CharField(max_length=150, blank=True, default="")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)  # null: not confirmed
    session_generation = models.PositiveIntegerField(default=0)  # incrementing it ends every browser session
    demo_calls_used = models.PositiveSmallIntegerField(default=0)
    time_zone = models.CharField(max_length=64, default="UTC")  # for times on pages; the API uses UTC
    closed_at = models.DateTimeField(null=True, blank=True)  # deleted by its owner (accounts.account_deletion) …
    closing_finished_at = models.DateTimeField(null=True, blank=True)  # … and calls, numbers and documents are gone
    created_at = models.DateTimeField(default=timezone.now)
    # Incremented by a late ledger entry, so that cached sums of past days and months are recalculated (core.redis.period_cache).
    sums_version = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[DeveloperManager] = DeveloperManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="developer_email_lower_case")
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saving the whole row keeps its `sums_version`, which another process may have incremented since the row was read."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            fields = (field.name for field in self._meta.concrete_fields if not field.primary_key)
            kwargs["update_fields"] = [name for name in fields if name != "sums_version"]
        super().save(*args, **kwargs)

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password if raw_password is None else normalize("NFKC", raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Keyboards compose characters differently, so passwords are compared in NFKC. Older hashes still match."""
        if raw_password is None:
            return False
        composed = normalize("NFKC", raw_password)
        return super().check_password(composed) or (composed != raw_password and super().check_password(raw_password))

    def get_session_auth_hash(self) -> str:
        """What a browser session must match: a password change and "log out everywhere" invalidate it."""
        return self._session_hash(settings.SECRET_KEY)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for key in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(key)

    def _session_hash(self, key: str | bytes) -> str:
        value = f"{self.session_generation}:{self.password}"
        return salted_hmac("accounts.Developer.session", value, secret=key, algorithm="sha256").hexdigest()


class ApiKey(models.Model):
    """A long-lived key `bp_live_sk_…`. The plaintext is shown once; only its hash is stored."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="api_keys")
    label = models.CharField(max_length=100, default="Default")
    hint = models.CharField(max_length=20)  # first and last characters, to recognize it in a list
    secret_hash = models.CharField(max_length=64, unique=True)
    daily_cap = models.DecimalField(
        null=True, blank=True, **MONEY_FIELD
    )  # daily cap in USD (UTC) for calls placed with it
    is_admin = models.BooleanField(default=False)  # can change account protection settings (accounts.admin_keys)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.label} ({self.hint})"


class SessionToken(models.Model):
    """The token from register and login, `id|secret`. Valid until expiry or logout."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="session_tokens")
    secret_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"session token {self.pk}"


class BrowserSession(models.Model):
    """A Django session, as its owner sees it (`accounts.browser_sessions`)."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="browser_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    user_agent = models.CharField(max_length=300, blank=True, default="")
    address = models.CharField(max_length=45, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"browser session {self.pk}"


class RetentionPeriod(models.Model):
    """How many days an account keeps a kind of data (`accounts.retention`). No row: until the account deletes it."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="retention_periods")
    kind = models.CharField(max_length=20)  # the name of one of accounts.extension_points.RETENTION_KINDS
    days = models.PositiveSmallIntegerField()
    # Data from before this time was deleted, so later runs need not look at it again.
    deleted_before = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "kind"], name="retention_period_once")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.days} days"


class MutedNotification(models.Model):
    """A kind of notification that an account has turned off for a channel (`accounts.notifications`). No row: turned on."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="muted_notifications")
    kind = models.CharField(max_length=30)
    channel = models.CharField(max_length=10)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "kind", "channel"], name="muted_notification_once")]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}"


class IdempotentAnswer(models.Model):
    """The stored answer to a POST with an `Idempotency-Key`, or the claim of the request that is still working on it.

    Inserting the row is the lock: the unique key admits one request across all processes.
    """

    scope = models.CharField(max_length=100)  # owner of the keys: "developer:42", "address:192.0.2.1"
    key = models.CharField(max_length=255)
    claim = models.UUIDField()  # the request that may store the answer
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)  # null: still in progress
    encrypted_body = models.TextField(blank=True, default="")  # answers can contain secrets
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotent_answer_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.scope}"
