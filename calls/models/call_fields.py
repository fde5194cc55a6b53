"""Columns of a call, grouped by topic. All are in one row: docs/decisions/0008-one-row-per-call.md."""

from decimal import Decimal

from django.db import models
from django.db.models import Case, F, Q, Value, When

from bubblyphone.core.money import MONEY_FIELD


class HangupCause(models.TextChoices):
    NORMAL_CLEARING = "normal_clearing"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    MAX_DURATION = "max_duration"
    SILENCE_TIMEOUT = "silence_timeout"
    VOICEMAIL = "voicemail"
    TRANSFERRED = "transferred"
    WEBHOOK_FAILED = "webhook_failed"
    MODEL_FAILED = "model_failed"
    CARRIER_FAILED = "carrier_failed"
    CANCELED = "canceled"  # ended by us or its owner before the answer: an outbound call, or a sandbox call
    ACCOUNT_DEACTIVATED = "account_deactivated"


class Screened(models.TextChoices):
    """The outcome of a call to a phone that asks who is calling. It counts as declined until someone joins."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


class Outcome(models.TextChoices):
    """Whom an outbound call reached, as far as it is known, or why nobody."""

    PERSON = "person"
    VOICEMAIL_MESSAGE_LEFT = "voicemail_message_left"
    VOICEMAIL_NO_MESSAGE = "voicemail_no_message"
    SCREENED_ACCEPTED = "screened_accepted"
    SCREENED_DECLINED = "screened_declined"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    CANCELED = "canceled"


NOBODY_REACHED = ("busy", "no_answer", "rejected", "invalid_number", "canceled")
# Empty: it has not ended, was not an outbound phone call, was never dialed, or failed.
OUTCOME_OF_CALL = Case(
    When(~Q(direction="outbound") | Q(sandbox=True) | Q(ended_at=None) | ~Q(refusal_reason=""), then=Value("")),
    When(screened=Screened.ACCEPTED, then=Value(Outcome.SCREENED_ACCEPTED.value)),
    When(screened=Screened.DECLINED, then=Value(Outcome.SCREENED_DECLINED.value)),
    When(Q(voicemail_detected=True, voicemail_message_left=True), then=Value(Outcome.VOICEMAIL_MESSAGE_LEFT.value)),
    When(voicemail_detected=True, then=Value(Outcome.VOICEMAIL_NO_MESSAGE.value)),
    When(answered_at__isnull=False, then=Value(Outcome.PERSON.value)),
    When(hangup_cause__in=NOBODY_REACHED, then=F("hangup_cause")),
    default=Value(""),
    output_field=models.CharField(max_length=24),
)


class Ending(models.Model):
    """How a call ended, or is about to end."""

    hangup_cause = models.CharField(max_length=24, choices=HangupCause, blank=True, default="")
    ended_at = models.DateTimeField(null=True)
    # Our own reason to end the call; the carrier's report of the end then only provides the time.
    end_requested_at = models.DateTimeField(null=True)
    end_requested_cause = models.CharField(max_length=24, choices=HangupCause, blank=True, default="")
    # The carrier's report of the end, stored until it is clear whether the call was answered.
    hangup_reported_at = models.DateTimeField(null=True)
    hangup_reported_cause = models.CharField(max_length=24, choices=HangupCause, blank=True, default="")

    class Meta:
        abstract = True


class MediaStreamState(models.Model):
    """A streaming call's media connection: its single-use token, its session's heartbeat, and interruptions."""

    media_token_hash = models.CharField(max_length=64, blank=True, default="")
    media_token_expires_at = models.DateTimeField(null=True)
    # A broken media stream: since when, and how often and when the carrier was last asked for another.
    stream_lost_at = models.DateTimeField(null=True)
    stream_lost_reason = models.CharField(max_length=20, blank=True, default="")  # see `calls.control.streams`
    stream_restarts = models.PositiveSmallIntegerField(default=0)
    stream_restarted_at = models.DateTimeField(null=True)
    # The media process that holds its session; "": a web process. Also has a database default, because older code does not know this
    # column.
    media_node = models.CharField(max_length=63, blank=True, default="", db_default="")
    session_seen_at = models.DateTimeField(null=True)  # heartbeat of the process that holds the live session
    model_spoke_at = models.DateTimeField(null=True)  # when the caller first heard the model; null: it never spoke

    class Meta:
        abstract = True


class WebhookModeState(models.Model):
    """Webhook mode: when the call was answered, since when the carrier transcribes, and whether anything was transcribed."""

    answer_requested_at = models.DateTimeField(null=True)
    listening_since = models.DateTimeField(null=True)
    speech_transcribed = models.BooleanField(default=False)

    class Meta:
        abstract = True


class Charges(models.Model):
    """Prices per minute when the call started, and its costs, in USD."""

    duration_seconds = models.PositiveIntegerField(null=True)
    telephony_rate = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    model_rate = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    telephony_cost = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    model_cost = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    transcription_cost = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    analysis_cost = models.DecimalField(default=Decimal(0), **MONEY_FIELD)
    settled_at = models.DateTimeField(null=True)
    # For a transferred call: from this time without the model, at the other leg's rate.
    transferred_at = models.DateTimeField(null=True)
    transfer_rate = models.DecimalField(default=Decimal(0), **MONEY_FIELD)

    class Meta:
        abstract = True

    @property
    def total_cost(self) -> Decimal:
        return self.telephony_cost + self.model_cost + self.transcription_cost + self.analysis_cost
