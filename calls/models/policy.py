"""Rules on which numbers an account may call. Part of `calls.models`."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class DialingPolicy(models.Model):
    """An account's own rules, in addition to those that always apply (`calls.policy`). No row, or null: no rule."""

    developer = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="dialing_policy")
    allowed_countries = models.JSONField(null=True)  # ISO codes
    calling_hours = models.JSONField(null=True)  # {"start": "09:00", "end": "20:00", "days": ["mon", …]}
    max_calls_per_number_per_day = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name_plural = "dialing policies"

    def __str__(self) -> str:
        return f"dialing policy of developer {self.developer_id}"


class DoNotCallNumber(models.Model):
    """A number that the account must not call."""

    class Source(models.TextChoices):
        API = "api"
        PAGE = "page"
        AGENT = "agent"

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="do_not_call_numbers")
    phone_number = models.CharField(max_length=20)
    reason = models.CharField(max_length=300, blank=True, default="")
    source = models.CharField(max_length=10, choices=Source)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "phone_number"], name="do_not_call_once")]

    def __str__(self) -> str:
        return self.phone_number
