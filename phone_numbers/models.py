"""Numbers that developers own, what numbers cost, purchases under way, and who may hold numbers of which country."""

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
from bubblyphone.core.json_documents import parse_stored_json
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
    """A developer's own account at a carrier, whose numbers are used here and whose bills go to the developer."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="carrier_accounts")
    provider = models.CharField(max_length=20)  # a slug of settings.CARRIERS
    label = models.CharField(max_length=100, blank=True, default="")
    encrypted = models.TextField()  # the credentials by name, as JSON
    last_four = models.CharField(max_length=4)
    checked_at = models.DateTimeField(default=timezone.now)
    failing_since = models.DateTimeField(null=True)  # since when the carrier does not take the credentials
    told_at = models.DateTimeField(
        null=True
    )  # when the developer was told so last; none since the credentials were replaced
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.provider} …{self.last_four}"

    @property
    def key(self) -> str:
        """By which numbers and calls name it (`phone_numbers.carriers.registry`)."""
        return f"{self.provider}:{self.pk}"

    @property
    def webhook_url(self) -> str:
        """Where it reports."""
        return f"{settings.PUBLIC_URL}/webhooks/{own_webhook_path(self.provider, self.pk)}"

    def read_credentials(self) -> dict[str, str]:
        """Decrypted. Raises cryptography.fernet.InvalidToken."""
        credentials: dict[str, str] = parse_stored_json(decrypt(self.encrypted))
        return credentials


class PhoneNumber(AgentSettings):
    """A number bought at the carrier, or imported from there. Its own agent settings hold where no linked agent says otherwise."""

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
    # The version of the agent that answers; none: the live one.
    agent_version = models.ForeignKey(
        AgentVersion, models.SET_NULL, null=True, blank=True, related_name="phone_numbers"
    )
    webhook_url = models.URLField(max_length=2000, blank=True, default="")
    signing_secret = models.ForeignKey(SigningSecret, models.PROTECT, related_name="+")
    monthly_cost = models.DecimalField(**MONEY_FIELD)
    # Limits of the developer's own (`calls.clock.cap_enforcement`); none where null.
    daily_cap = models.DecimalField(null=True, blank=True, **MONEY_FIELD)  # USD a day (UTC)
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    carrier = models.CharField(max_length=20, default=default_carrier)
    carrier_ref = models.CharField(max_length=100, blank=True, default="")  # the carrier's own id of the owned number
    source = models.CharField(max_length=10, choices=Source, default=Source.PURCHASED, db_default="purchased")
    previous_routing = models.TextField(
        blank=True, default="", db_default=""
    )  # of an imported number: where its calls went before
    created_at = models.DateTimeField(default=timezone.now)
    # Renewals (`phone_numbers.charging.renewals`): the next is due that many months after `created_at`.
    months_paid = models.PositiveIntegerField(default=1)
    unpaid_since = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    release_ordered_at = models.DateTimeField(null=True)  # from then on no payment brings the number back
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["e164"], condition=~Q(status="released"), name="number_owned_once"),
        ]

    def __str__(self) -> str:
        return self.e164

    def release(self, at: datetime) -> None:
        """Note that the carrier has it back. What it was set to use can then be deleted."""
        self.status, self.released_at = self.Status.RELEASED, at
        self.agent = self.agent_version = self.model_key = None
        self.save(update_fields=["status", "released_at", "agent", "agent_version", "model_key"])

    @property
    def is_billed_by_its_carrier(self) -> bool:
        """Whether it is of the developer's own carrier account: then its telephony costs nothing here."""
        return account_id_of(self.carrier) is not None

    @property
    def renews_at(self) -> datetime:
        """The first moment that is not paid for: the day of the purchase, `months_paid` later."""
        return add_months(self.created_at, self.months_paid)


class NumberPrice(models.Model):
    """What a kind of number costs here. Data, which staff edit."""

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
    """A purchase from request to outcome, so that one that is interrupted anywhere ends bought and paid, or neither.

    While it is pending its price is held; the carrier is asked with `reference`, by which what stays pending is asked after.
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
    )  # answers the number once it is bought
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
    items = models.JSONField(default=list)  # in the shape of GET /countries/{code}/requirements
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["carrier", "country_code", "number_type"], name="country_requirements_once")
        ]

    def __str__(self) -> str:
        return f"{self.country_code} {self.number_type}"


def make_verification_id() -> str:
    """An id that says nothing, "ver_" and 16 hexadecimal digits."""
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
    expires_on = models.DateField(null=True)  # the last day (UTC) of an approval; None: it has no end
    carrier = models.CharField(max_length=20, default=default_carrier)
    carrier_ref = models.CharField(max_length=100, blank=True, default="")  # the carrier's requirement group, once made

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
    """The answer to one requirement: a file or a text. A text that was left out is empty until staff write it."""

    verification = models.ForeignKey(Verification, models.CASCADE, related_name="documents")
    requirement_id = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)  # the carrier's word: document, textual, address
    value = models.TextField(blank=True, default="")
    file = models.FileField(storage=document_storage, upload_to=document_path, max_length=200, blank=True)
    filename = models.CharField(max_length=255, blank=True, default="")  # as the developer called it
    content_type = models.CharField(max_length=50, blank=True, default="")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["verification", "requirement_id"], name="verification_document_once")
        ]

    def __str__(self) -> str:
        return self.name


class VerificationEvent(models.Model):
    """History: every status that a verification came to, by whom and why."""

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
    """What a call does next whose carrier fetches its commands (`phone_numbers.carriers.twilio`). `account` is the carrier's id."""

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
    """A command that its carrier would carry out twice, written down before it is given. `result`: the carrier's id of what it made."""

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
