"""Numbers, prices, purchases in progress, and verifications of who may hold numbers in which country."""

import secrets
import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent, AgentSettings, AgentVersion
from billing.periods import add_months
from bubblyphone.core.crypto import decrypt
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.money import MONEY_FIELD
from phone_numbers.carriers.registry import account_id_of, default_carrier, own_webhook_path
from phone_numbers.verification.documents import document_path, document_storage
from webhooks.models import SigningSecret


class NumberType(models.TextChoices):
    LOCAL = "local"
    MOBILE = "mobile"
    TOLL_FREE = "toll_free"
    NATIONAL = "national"


class CallMode(models.TextChoices):
    WEBHOOK = "webhook"
    STREAMING = "streaming"


class CarrierAccount(models.Model):
    """A developer's own account at a carrier, whose numbers are used here and whose bills the developer pays."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="carrier_accounts")
    provider = models.CharField(max_length=20)  # a slug of settings.CARRIERS
    label = models.CharField(max_length=100, blank=True, default="")
    encrypted = models.TextField()  # the credentials by name, as JSON
    last_four = models.CharField(max_length=4)
    checked_at = models.DateTimeField(default=timezone.now)
    failing_since = models.DateTimeField(null=True)  # since when the carrier rejects the credentials
    told_at = models.DateTimeField(
        null=True
    )  # when the developer was last notified; null since the credentials were replaced
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.provider} …{self.last_four}"

    @property
    def key(self) -> str:
        """The key under which numbers and calls reference it (`phone_numbers.carriers.registry`)."""
        return f"{self.provider}:{self.pk}"

    @property
    def webhook_url(self) -> str:
        """The URL for the carrier's webhooks."""
        return f"{settings.PUBLIC_URL}/webhooks/{own_webhook_path(self.provider, self.pk)}"

    def read_credentials(self) -> dict[str, str]:
        """Decrypted. Raises cryptography.fernet.InvalidToken."""
        credentials: dict[str, str] = parse_stored_json(decrypt(self.encrypted))
        return credentials


class PhoneNumberQuerySet(models.QuerySet["PhoneNumber"]):
    def unreleased(self) -> "PhoneNumberQuerySet":
        """Numbers that have not been released."""
        return self.exclude(status=PhoneNumber.Status.RELEASED)


class PhoneNumber(AgentSettings):
    """A number bought from the carrier, or imported. Its own agent settings apply where no linked agent overrides them."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        RELEASED = "released"

    class Source(models.TextChoices):
        PURCHASED = "purchased"
        IMPORTED = "imported"

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="phone_numbers")
    e164 = models.CharField(max_length=20)
    country_code = models.CharField(max_length=2)
    number_type = models.CharField(max_length=10, choices=NumberType)
    label = models.CharField(max_length=100, blank=True, default="")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    mode = models.CharField(max_length=10, choices=CallMode, default=CallMode.WEBHOOK)
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="phone_numbers")
    # The version of the agent that answers; null: the live one.
    agent_version = models.ForeignKey(
        AgentVersion, models.SET_NULL, null=True, blank=True, related_name="phone_numbers"
    )
    webhook_url = models.URLField(max_length=2000, blank=True, default="")
    signing_secret = models.ForeignKey(SigningSecret, models.PROTECT, related_name="+")
    monthly_cost = models.DecimalField(**MONEY_FIELD)
    # The developer's own limits (`calls.clock.cap_enforcement`); null: no limit.
    daily_cap = models.DecimalField(null=True, blank=True, **MONEY_FIELD)  # in USD per day (UTC)
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    carrier = models.CharField(max_length=20, default=default_carrier)
    carrier_ref = models.CharField(max_length=100, blank=True, default="")  # the carrier's id of the owned number
    source = models.CharField(max_length=10, choices=Source, default=Source.PURCHASED, db_default="purchased")
    previous_routing = models.TextField(
        blank=True, default="", db_default=""
    )  # for an imported number: its former routing
    created_at = models.DateTimeField(default=timezone.now)
    # Renewals (`phone_numbers.charging.renewals`): the next is due that many months after `created_at`.
    months_paid = models.PositiveIntegerField(default=1)
    unpaid_since = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    release_ordered_at = models.DateTimeField(null=True)  # from then on a payment no longer reactivates the number
    released_at = models.DateTimeField(null=True)

    objects = PhoneNumberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["e164"], condition=~Q(status="released"), name="number_owned_once"),
        ]

    def __str__(self) -> str:
        return self.e164

    def release(self, at: datetime) -> None:
        """Mark it as released by the carrier. Objects that it used can then be deleted."""
        self.status, self.released_at = self.Status.RELEASED, at
        self.agent = self.agent_version = self.model_key = None
        self.save(update_fields=["status", "released_at", "agent", "agent_version", "model_key"])

    @property
    def is_billed_by_its_carrier(self) -> bool:
        """Whether it belongs to the developer's own carrier account: its telephony is then free here."""
        return account_id_of(self.carrier) is not None

    @property
    def renews_at(self) -> datetime:
        """The end of the paid period: the day of the purchase, `months_paid` later."""
        return add_months(self.created_at, self.months_paid)


class NumberPrice(models.Model):
    """The price of a type of number. Data that staff edit."""

    country_code = models.CharField(max_length=2)
    number_type = models.CharField(max_length=10, choices=NumberType)
    setup_cost = models.DecimalField(**MONEY_FIELD)
    monthly_cost = models.DecimalField(**MONEY_FIELD)

    class Meta:
        ordering = ["country_code", "number_type"]
        constraints = [models.UniqueConstraint(fields=["country_code", "number_type"], name="number_price_once")]

    def __str__(self) -> str:
        return f"{self.country_code} {self.number_type}"


class NumberPurchase(models.Model):
    """A purchase from request to outcome, so that an interrupted purchase ends either bought and paid, or neither.

    While it is pending, its price is held; the carrier's order has `reference`, by which a pending purchase is looked up.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        BOUGHT = "bought"
        REFUSED = "refused"

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="number_purchases")
    reference = models.UUIDField(default=uuid.uuid4, unique=True)
    carrier = models.CharField(max_length=20, default=default_carrier)
    e164 = models.CharField(max_length=20)
    country_code = models.CharField(max_length=2)
    number_type = models.CharField(max_length=10, choices=NumberType)
    label = models.CharField(max_length=100, blank=True, default="")
    webhook_url = models.URLField(max_length=2000, blank=True, default="")
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, related_name="+"
    )  # will answer the number once it is bought
    setup_cost = models.DecimalField(**MONEY_FIELD)
    monthly_cost = models.DecimalField(**MONEY_FIELD)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    phone_number = models.OneToOneField(PhoneNumber, models.PROTECT, null=True, related_name="purchase")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["e164"], condition=Q(status="pending"), name="purchase_pending_once"),
        ]

    def __str__(self) -> str:
        return f"{self.e164} ({self.status})"


class CountryRequirements(models.Model):
    """What a carrier requires of holders of such numbers, as last fetched (`phone_numbers.verification.requirements`)."""

    carrier = models.CharField(max_length=20, default=default_carrier)
    country_code = models.CharField(max_length=2)
    number_type = models.CharField(max_length=10, choices=NumberType)
    items = models.JSONField(default=list)  # in the format of GET /countries/{code}/requirements
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["carrier", "country_code", "number_type"], name="country_requirements_once")
        ]

    def __str__(self) -> str:
        return f"{self.country_code} {self.number_type}"


def make_verification_id() -> str:
    """A random id: "ver_" and 16 hexadecimal digits."""
    return f"ver_{secrets.token_hex(8)}"


class Verification(models.Model):
    """One submission of documents for one kind of number, and the decision. After a rejection the next submission is a new row.

    pending ──▶ approved ──▶ rejected (approval withdrawn, or new documents after it had expired)
           └──▶ rejected
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"

    public_id = models.CharField(max_length=20, unique=True, default=make_verification_id)
    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="verifications")
    country_code = models.CharField(max_length=2)
    number_type = models.CharField(max_length=10, choices=NumberType)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    rejection_reason = models.TextField(blank=True, default="")
    submitted_at = models.DateTimeField(default=timezone.now)
    reviewed_at = models.DateTimeField(null=True)
    expires_on = models.DateField(null=True)  # the last valid day (UTC) of an approval; null: unlimited
    carrier = models.CharField(max_length=20, default=default_carrier)
    carrier_ref = models.CharField(
        max_length=100, blank=True, default=""
    )  # the carrier's requirement group, once created

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["developer", "carrier", "country_code", "number_type"],
                condition=~Q(status="rejected"),
                name="verification_standing_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.country_code} {self.number_type})"

    @property
    def is_expired(self) -> bool:
        return self.expires_on is not None and self.expires_on < timezone.now().date()


class VerificationDocument(models.Model):
    """The answer to one requirement: a file or a text. An omitted text is empty until staff fill it in."""

    verification = models.ForeignKey(Verification, models.CASCADE, related_name="documents")
    requirement_id = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)  # the carrier's type: document, textual, address
    value = models.TextField(blank=True, default="")
    file = models.FileField(storage=document_storage, upload_to=document_path, max_length=200, blank=True)
    filename = models.CharField(max_length=255, blank=True, default="")  # the developer's file name
    content_type = models.CharField(max_length=50, blank=True, default="")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["verification", "requirement_id"], name="verification_document_once")
        ]

    def __str__(self) -> str:
        return self.name


class VerificationEvent(models.Model):
    """History: every status of a verification, with author and reason."""

    verification = models.ForeignKey(Verification, models.CASCADE, related_name="events")
    status = models.CharField(max_length=10, choices=Verification.Status)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.status


class CallScript(models.Model):
    """The next actions of a call whose carrier fetches its commands (`phone_numbers.carriers.twilio`).

    `account` is the carrier's id.
    """

    account = models.CharField(max_length=64)
    carrier_call_id = models.CharField(max_length=64)
    state = models.JSONField(default=dict)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["changed_at"], name="call_script_by_age")]
        constraints = [models.UniqueConstraint(fields=["account", "carrier_call_id"], name="call_script_once")]

    def __str__(self) -> str:
        return self.carrier_call_id


class CarrierCommand(models.Model):
    """A command that its carrier would run twice, stored before it is sent. `result`: the carrier's id of the created object."""

    command_id = models.CharField(max_length=64, unique=True)
    result = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="carrier_command_by_age"),
            models.Index(fields=["result"], condition=~Q(result=""), name="carrier_command_by_result"),
        ]

    def __str__(self) -> str:
        return self.command_id
