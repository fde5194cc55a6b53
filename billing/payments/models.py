"""Payments and payment methods. The money is in the ledger; these rows say where it came from."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bubblyphone.core.money import MONEY_FIELD, ZERO


class StripeCustomer(models.Model):
    """A developer's customer at Stripe, created with the first payment."""

    developer = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="stripe_customer")
    stripe_id = models.CharField(max_length=255, unique=True)

    def __str__(self) -> str:
        return self.stripe_id


class Card(models.Model):
    """A payment method that Stripe stores for a developer, charged while they are away. We store only what identifies it to people."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="cards")
    stripe_id = models.CharField(max_length=255, unique=True)
    brand = models.CharField(max_length=30, blank=True, default="")
    last_four = models.CharField(max_length=4, blank=True, default="")
    expires = models.CharField(max_length=7, blank=True, default="")  # 2029-03; empty if it does not expire
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["developer"], condition=Q(is_default=True), name="default_card_once")
        ]

    def __str__(self) -> str:
        return f"{(self.brand or 'card').capitalize()} •••• {self.last_four}".removesuffix(" •••• ")


class Payment(models.Model):
    """A payment at Stripe: through a Checkout session, or from a saved card. Its credit is the entry `payment:<id>`."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up"
        AUTO_TOP_UP = "auto_top_up"

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        EXPIRED = "expired"

    # Its name at Stripe, in metadata and idempotency keys, which must be unique across installations that share an account.
    reference = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="payments")
    kind = models.CharField(max_length=20, choices=Kind)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    amount = models.DecimalField(**MONEY_FIELD)  # requested; once it has succeeded, paid
    saves_card = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)  # created without Stripe: no money moves
    stripe_session_id = models.CharField(max_length=255, unique=True, null=True)
    stripe_intent_id = models.CharField(max_length=255, unique=True, null=True)
    # The payment method of an automatic charge: a repeat of the request must name the same one.
    stripe_card_id = models.CharField(max_length=255, blank=True, default="")
    card = models.CharField(max_length=60, blank=True, default="")  # "Visa •••• 4242"
    failure_code = models.CharField(max_length=60, blank=True, default="")
    refund_total = models.DecimalField(default=ZERO, **MONEY_FIELD)  # refunded in total, as Stripe reports
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive"),
            models.UniqueConstraint(
                fields=["developer"],
                condition=Q(kind="auto_top_up", status="pending"),
                name="automatic_top_up_one_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(status="pending"), name="payment_pending"),
            models.Index(fields=["developer", "-id"], name="payment_by_developer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}: {self.status}"


class Refund(models.Model):
    """A refund of a payment, as Stripe reports it. Once failed it stays failed."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    stripe_id = models.CharField(max_length=255, unique=True)
    amount = models.DecimalField(**MONEY_FIELD)
    failed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.stripe_id


class AutoTopUp(models.Model):
    """A developer's settings for automatic top-ups.

    `charges_below` is the balance below which the next charge is due: normally the threshold; if a charge did not raise the balance to
    the threshold, the balance at which that charge was made. So each crossing is charged once, and a top-up that is too small is followed
    by the next one only after it is used up.
    """

    developer = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="auto_top_up")
    enabled = models.BooleanField(default=False)
    threshold = models.DecimalField(null=True, **MONEY_FIELD)
    amount = models.DecimalField(null=True, **MONEY_FIELD)
    charges_below = models.DecimalField(null=True, **MONEY_FIELD)
    failure_code = models.CharField(max_length=60, blank=True, default="")  # why it was turned off
    failed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(enabled=False)
                | Q(threshold__isnull=False, amount__isnull=False, charges_below__isnull=False),
                name="automatic_top_up_says_how_much",
            )
        ]

    def __str__(self) -> str:
        return f"below {self.threshold}: {self.amount}" if self.enabled else "off"
