"""The ledger and the rates. Ledger rows never change after they are written; a database trigger enforces this."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.payments.models import AutoTopUp, Card, Payment, Refund, StripeCustomer
from bubblyphone.core.money import MONEY_FIELD

__all__ = [
    "Adjustment",
    "AllowedPrefix",
    "AutoTopUp",
    "BalanceCheckpoint",
    "Card",
    "Cost",
    "LedgerCheck",
    "LedgerEntry",
    "MeteredCost",
    "Notice",
    "Payment",
    "Refund",
    "SpendingCap",
    "StripeCustomer",
    "TelephonyRate",
]


# The key prefixes of entries for an object here, followed by its id.
FAMILIES = ("call", "number", "payment", "adjustment")


class Booking(models.Model):
    """A booked amount: credits are positive, costs negative.

    `key` makes it unique and names its object ("call:42:model", "number:7:2026-11", "payment:5").
    """

    class Kind(models.TextChoices):
        TOP_UP = "top_up", "Top-up"
        TEST_CREDIT = "test_credit", "Test credit"
        TELEPHONY = "telephony"
        MODEL = "model", "AI model"
        TRANSCRIPTION = "transcription"
        ANALYSIS = "analysis"
        NUMBER_SETUP = "number_setup", "Number setup fee"
        NUMBER_MONTH = "number_month", "Monthly number fee"
        REFUND = "refund"
        DISPUTE = "dispute"
        ADJUSTMENT = "adjustment"

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    key = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=Kind)
    amount = models.DecimalField(**MONEY_FIELD)
    description = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.key}: {self.amount}"

    @property
    def about(self) -> tuple[str, int]:
        """The object in its key: ("call", 42), ("number", 7), ("payment", 5), ("adjustment", 3); ("", 0) if it is not one of ours."""
        family, _, rest = self.key.partition(":")
        number = rest.partition(":")[0]
        return (family, int(number)) if family in FAMILIES and number.isdecimal() else ("", 0)


# What calls and numbers cost: of such an entry the key begins with "call:" or "number:".
CALL_KINDS = (Booking.Kind.TELEPHONY, Booking.Kind.MODEL, Booking.Kind.TRANSCRIPTION, Booking.Kind.ANALYSIS)
NUMBER_KINDS = (Booking.Kind.NUMBER_SETUP, Booking.Kind.NUMBER_MONTH)


class LedgerEntry(Booking):
    """One credit or charge of a developer's account. The balance is the sum of `amount`."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="ledger", db_index=False)

    class Meta:
        indexes = [
            models.Index(fields=["developer", "-id"], include=["amount"], name="ledger_by_developer"),
            # For sums of a week, a month, or each month, without reading the entries themselves.
            models.Index(fields=["developer", "created_at"], include=["kind", "amount"], name="ledger_sums"),
            # To find what is rare among the entries of calls.
            models.Index(
                fields=["developer", "kind", "-id"],
                condition=~Q(kind__in=["telephony", "model"]),
                name="ledger_rare_kinds",
            ),
            # To find credits among very many charges: whether there are any, and those of a month.
            models.Index(fields=["developer", "created_at"], condition=Q(amount__gt=0), name="ledger_credits"),
            models.Index(fields=["developer", "-id"], condition=Q(amount__gte=0), name="ledger_credit_list"),
        ]
        verbose_name_plural = "ledger entries"


class MeteredCost(Booking):
    """What was not charged because billing was off (`billing.billing_switch`). Part of no balance."""

    class Meta:
        indexes = [
            models.Index(fields=["developer", "created_at"], include=["kind", "amount"], name="metered_cost_sums")
        ]


class Cost(Booking):
    """All costs of calls and numbers, charged or metered: a view of both tables, for usage and for statements without billing."""

    key = models.CharField(max_length=100, primary_key=True)
    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.DO_NOTHING, related_name="+")

    class Meta:
        managed = False
        db_table = "billing_cost"


class BalanceCheckpoint(models.Model):
    """The sum of a developer's entries up to and including `entry_id` (`billing.checkpoints`). Can be deleted at any time."""

    developer = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    entry_id = models.BigIntegerField()
    amount = models.DecimalField(**MONEY_FIELD)

    def __str__(self) -> str:
        return f"{self.amount} up to {self.entry_id}"


class Adjustment(models.Model):
    """A correction by staff, with its reason: the counterpart of the entry `adjustment:<id>`. Never changes either."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="adjustments")
    amount = models.DecimalField(**MONEY_FIELD, help_text="In USD. Positive adds credit, negative removes it.")
    reason = models.CharField(max_length=180, help_text="Shown to the developer in their transactions.")
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # Created with the form's page: submitting it several times creates one adjustment.
    reference = models.UUIDField(
        unique=True, null=True, blank=True, error_messages={"unique": "You already made this adjustment."}
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="adjustment_is_not_nothing")]

    def __str__(self) -> str:
        return f"{self.amount}: {self.reason}"


class Notice(models.Model):
    """An email about money, written in the transaction of the event it reports.

    A job retries until it is sent. `key` identifies it ("number:7:2026-12:unpaid:3"), so that it is sent only once.
    """

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=100, unique=True)
    template = models.CharField(max_length=60)
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)  # null: sent, or given up

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="notice_due")
        ]

    def __str__(self) -> str:
        return self.key


class SpendingCap(models.Model):
    """Limits on all calls of an account, set by its developer up to the ceilings. Empty: no limit.

    Daily caps of numbers, agents and API keys are their own fields (`daily_cap`).
    """

    developer = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="spending_cap")
    daily_cap = models.DecimalField(null=True, blank=True, help_text="In USD, per day (UTC).", **MONEY_FIELD)
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    max_calls_per_caller_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="Inbound calls from one caller to all of the account's numbers."
    )
    # The maximums for the developer (`billing.caps`).
    daily_cap_ceiling = models.DecimalField(null=True, blank=True, **MONEY_FIELD)
    concurrent_calls_ceiling = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(daily_cap=None) | Q(daily_cap__gt=0), name="daily_cap_is_positive"),
        ]

    def __str__(self) -> str:
        return f"limits of {self.developer}"


class TelephonyRate(models.Model):
    """Price per started minute to or from numbers with this `prefix` (E.164 digits; longest wins), valid from a given time."""

    class Direction(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"

    prefix = models.CharField(max_length=15, blank=True)
    direction = models.CharField(max_length=10, choices=Direction)
    price_per_minute = models.DecimalField(**MONEY_FIELD)
    description = models.CharField(max_length=100, blank=True, default="")
    valid_from = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["direction", "prefix", "valid_from"], name="rate_once"),
            models.CheckConstraint(condition=Q(price_per_minute__gte=0), name="rate_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} +{self.prefix}: {self.price_per_minute}"


class AllowedPrefix(models.Model):
    """Costly numbers that staff let one account call: those that begin with `prefix`, which has its own outbound rate."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="allowed_prefixes")
    prefix = models.CharField(max_length=15, help_text="Digits with the country code, without +. Example: 1900.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "prefix"], name="allowed_prefix_once")]
        verbose_name_plural = "allowed prefixes"

    def __str__(self) -> str:
        return f"+{self.prefix}"


class LedgerCheck(models.Model):
    """When the ledger was last checked, and what was wrong with it (`billing.ledger_verification`)."""

    finished_at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField()
    problem_count = models.PositiveIntegerField()
    first_problems = models.TextField(blank=True, default="")  # one per line

    class Meta:
        indexes = [models.Index(fields=["-finished_at"], name="ledger_check_newest")]
        get_latest_by = "finished_at"

    def __str__(self) -> str:
        return f"ledger check of {self.finished_at}: {self.problem_count} problems"
