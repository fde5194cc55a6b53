"""Webhooks sent to developers: the secrets that sign them, the messages, and every attempt."""

from django.db import models
from django.utils import timezone

from accounts.models import Developer


class SigningSecret(models.Model):
    """The key that signs a number's webhooks. After a rotation the previous one signs too, until it expires."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="+")
    encrypted = models.TextField()
    previous_encrypted = models.TextField(blank=True, default="")
    previous_valid_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"signing secret {self.pk}"


class WebhookDelivery(models.Model):
    """One message to one address: written in the transaction of what it reports, sent by the clock process.

    `subject` names what it is about ("call:42"), so that deliveries of one call can be listed; `body` is kept byte for byte, because
    its signature is made over it at every attempt.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    webhook_id = models.UUIDField(unique=True)  # X-Webhook-Id, constant over the retries
    developer = models.ForeignKey(Developer, models.CASCADE, related_name="webhook_deliveries")
    signing_secret = models.ForeignKey(SigningSecret, models.PROTECT, related_name="+")
    subject = models.CharField(max_length=60)
    event_type = models.CharField(max_length=60)
    url = models.URLField(max_length=2000)
    body = models.TextField()
    wants_reply = models.BooleanField(default=False)  # the response is an action: webhooks.replies
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status="pending"), name="delivery_due"),
            models.Index(fields=["subject", "id"], name="delivery_subject"),
            models.Index(fields=["developer", "-id"], name="delivery_by_developer"),
            models.Index(fields=["developer", "-id"], condition=models.Q(status="failed"), name="delivery_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.url}"


class WebhookAttempt(models.Model):
    """One POST: what came back and how long it took. Also written for tool calls, which a live call sends directly."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()  # 1 for the first
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.TextField(blank=True, default="")
    latency_ms = models.PositiveIntegerField()
    success = models.BooleanField()
    error_message = models.TextField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"
