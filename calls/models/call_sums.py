"""Daily totals of calls, for charts. Part of `calls.models`; written by `calls.charging.day_sums`."""

from django.conf import settings
from django.db import models

from bubblyphone.core.money import MONEY_FIELD


class CallSums(models.Model):
    """The calls of an account that were settled on a day (UTC), of one number and one agent.

    `answers` counts answer times by their multiple of `calls.charging.call_figures.STEP_MS`.
    """

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    day = models.DateField()
    # Plain ids: an agent that is deleted later had these calls.
    number = models.BigIntegerField(null=True)
    agent = models.BigIntegerField(null=True)
    calls = models.PositiveIntegerField()
    answered = models.PositiveIntegerField()
    voicemail = models.PositiveIntegerField()
    unanswered = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    minutes = models.PositiveIntegerField()
    cost = models.DecimalField(**MONEY_FIELD)
    answers = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["day"], name="call_sums_by_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["developer", "day", "number", "agent"], name="call_sums_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"calls of account {self.developer_id} on {self.day}"


class SummedDay(models.Model):
    """A day whose calls, of all accounts, are summed up in `CallSums`. Accounts without calls have no rows there."""

    day = models.DateField(primary_key=True)

    def __str__(self) -> str:
        return str(self.day)


class StaleDay(models.Model):
    """A past day on which an account's call has changed, for example by a late cost. Written by a trigger of `calls_call`.

    Each change has its own row: a shared one would be deleted when the first change has been summed up.
    """

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["developer", "day"], name="stale_days_of_account")]

    def __str__(self) -> str:
        return f"{self.day} of account {self.developer_id}"
