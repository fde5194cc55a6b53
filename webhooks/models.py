"""Events for developers: endpoints, signing secrets, deliveries and every attempt."""

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


class WebhookEndpoint(models.Model):
    """A URL that receives the events of the whole account. A deleted one is kept for the log of its deliveries."""

    developer = models.ForeignKey(Developer, models.CASCADE, related_name="webhook_endpoints")
    signing_secret = models.ForeignKey(SigningSecret, models.PROTECT, related_name="+")
    url = models.URLField(max_length=2000)
    event_types = models.JSONField()  # their names, or ["*"]
    description = models.CharField(max_length=200, blank=True, default="")
    enabled = models.BooleanField(default=True)
    failure_emailed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.url


class Event(models.Model):
    """Something that happened, written in the transaction that made it happen, whether or not it is sent.

    `position` orders an account's events as they became visible: it is assigned after the commit (`webhooks.event_feed`), so that reading
    from a position misses no event of a longer transaction.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=40, unique=True)
    developer = models.ForeignKey(Developer, models.CASCADE, related_name="events", db_index=False)
    subject = models.CharField(max_length=60)
    event_type = models.CharField(max_length=60)
    body = models.TextField()
    position = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "position"], name="event_position")]
        indexes = [
            models.Index(fields=["developer", "id"], condition=models.Q(position=None), name="event_without_position"),
            models.Index(fields=["created_at"], name="event_created"),
            models.Index(fields=["developer", "-id"], name="event_by_developer"),
            # For filters that match few of many events.
            models.Index(fields=["developer", "event_type", "position"], name="event_by_type"),
            models.Index(fields=["developer", "created_at"], include=["position"], name="event_by_time"),
            models.Index(fields=["subject"], name="event_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.public_id}"


class WebhookDelivery(models.Model):
    """One message to one address: written in the transaction of what it reports, sent by the clock process.

    `subject` names what it is about ("call:42"), so that deliveries of one call can be listed; `body` is kept byte for byte, because
    its signature is made over it at every attempt. `endpoint` is the account's, `event` what it reports: a request that a live call
    makes has neither, and an event is forgotten before its deliveries are.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    # X-Webhook-Id: the same for all retries; at an endpoint, the event's ID.
    webhook_id = models.CharField(max_length=40)
    developer = models.ForeignKey(Developer, models.CASCADE, related_name="webhook_deliveries", db_index=False)
    signing_secret = models.ForeignKey(SigningSecret, models.PROTECT, related_name="+")
    event = models.ForeignKey(Event, models.SET_NULL, null=True, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, null=True, related_name="deliveries", db_index=False)
    subject = models.CharField(max_length=60)
    event_type = models.CharField(max_length=60)
    url = models.URLField(max_length=2000)
    body = models.TextField()
    # For a request of a tool with its own URL: the tool and the HTTP method. `url` and `body` contain no secrets.
    tool = models.CharField(max_length=64, blank=True, default="", db_default="")
    method = models.CharField(max_length=6, blank=True, default="", db_default="")
    wants_reply = models.BooleanField(default=False)  # the response is an action: webhooks.sending.replies
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status="pending"), name="delivery_due"),
            models.Index(fields=["subject", "id"], name="delivery_subject"),
            models.Index(fields=["developer", "-id"], name="delivery_by_developer"),
            # For filters that match few of many deliveries.
            models.Index(
                fields=["developer", "status", "-id"],
                condition=~models.Q(status="delivered"),
                name="delivery_undelivered",
            ),
            models.Index(fields=["developer", "event_type", "-id"], name="delivery_by_type"),
            models.Index(
                fields=["endpoint", "-id"], condition=models.Q(endpoint__isnull=False), name="delivery_by_endpoint"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["webhook_id"], condition=models.Q(endpoint=None), name="delivery_webhook_id"
            ),
            models.UniqueConstraint(fields=["endpoint", "webhook_id"], name="delivery_once_per_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.url}"


class WebhookAttempt(models.Model):
    """One POST: the response and its latency. Also written for tool calls, which a live call sends directly."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveSmallIntegerField()  # starts at 1
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
