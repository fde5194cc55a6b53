"""Scheduled calls. Part of `calls.models`."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from bubblyphone.core.json.ordered_field import OrderedJSONField
from calls.models.call import Call
from phone_numbers.models import PhoneNumber


class ScheduledCall(models.Model):
    """A call that the clock dials once, at `due_at`, with the settings that agent and number have at that time."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        DIALED = "dialed"  # became `call`
        NOT_DIALED = "not_dialed"  # `reason` and `detail` say why
        CANCELED = "canceled"

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="scheduled_calls")
    phone_number = models.ForeignKey(PhoneNumber, models.CASCADE, related_name="scheduled_calls")
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="scheduled_calls")
    # `agent` was chosen for this call instead of the number's; it may be deleted before the call.
    has_own_agent = models.BooleanField()
    to_number = models.CharField(max_length=20)
    dynamic_variables = OrderedJSONField(default=dict)
    due_at = models.DateTimeField()
    time_zone = models.CharField(max_length=64)  # the time zone of the chosen time
    created_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    decided_at = models.DateTimeField(null=True)  # when it was dialed, refused, or canceled
    call = models.OneToOneField(Call, models.SET_NULL, null=True, related_name="scheduled")
    reason = models.CharField(max_length=40, blank=True, default="")
    detail = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status="waiting"), name="scheduled_call_due"),
            models.Index(fields=["developer", "-due_at", "-id"], name="scheduled_call_by_developer"),
        ]

    def __str__(self) -> str:
        return f"call to {self.to_number} at {self.due_at}"
