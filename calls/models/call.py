"""Calls and everything recorded about them."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from agents.agent_settings.call_config import CallConfig
from agents.models import Agent
from bubblyphone.core.database.prepared_queries import PreparedQuery
from bubblyphone.core.json.ordered_field import OrderedJSONField
from bubblyphone.core.money import MONEY_FIELD
from calls.models.call_fields import (
    OUTCOME_OF_CALL,
    Charges,
    Ending,
    MediaStreamState,
    Outcome,
    Screened,
    WebhookModeState,
)
from phone_numbers.carriers.registry import default_carrier
from phone_numbers.models import CallMode, PhoneNumber


class CallStatus(models.TextChoices):
    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    FAILED = "failed"


# "Ended" always means one of these.
ENDED_STATUSES = (CallStatus.COMPLETED, CallStatus.FAILED)


class CallQuerySet(models.QuerySet["Call"]):
    """Sets of calls used across the code, each defined once."""

    def running(self) -> "CallQuerySet":
        """Calls that have not ended."""
        return self.exclude(status__in=ENDED_STATUSES)

    def ended(self) -> "CallQuerySet":
        """Calls that have ended, whether or not anyone answered."""
        return self.filter(status__in=ENDED_STATUSES)

    def for_update(self) -> "CallQuerySet":
        """These calls with their numbers; the calls' rows are locked until the transaction ends. Rows that refer to them can be written."""
        return self.select_for_update(of=("self",), no_key=True).select_related("phone_number")

    def lock_in_order(self) -> list[int]:
        """Lock these calls before writing to several, so that two such transactions never wait for each other. Returns their ids."""
        rows = self.select_for_update(of=("self",), no_key=True)
        return list(rows.order_by("pk").values_list("pk", flat=True))


_CallSets = models.Manager.from_queryset(CallQuerySet)


class CallManager(_CallSets["Call"]):
    """Adds `get_for_update`, which is not a method of CallQuerySet because it would ignore the set's filters."""

    def get_for_update(self, call_id: int) -> "Call":
        """A call with its number; its row is locked until the transaction ends. Raises Call.DoesNotExist."""
        found = _LOCKED.fetch(call_id)
        if not found:
            raise Call.DoesNotExist
        return found[0]


class Direction(models.TextChoices):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


# Columns for totals of many calls; included in the index by day, so that rows need not be fetched one by one.
SUMMED_UP = (
    "demo", "status", "direction", "hangup_cause", "voicemail_detected", "duration_seconds", "telephony_cost",
    "model_cost", "transcription_cost", "analysis_cost", "outcome", "phone_number", "agent",
)  # fmt: skip


class Call(Ending, MediaStreamState, WebhookModeState, Charges):
    """A conversation between a number and a remote party, by phone or, with `sandbox`, from a browser.

    `config` is the agent configuration as resolved when the call started. Only `calls.control.lifecycle` changes a row.
    """

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="calls", db_index=False)
    phone_number = models.ForeignKey(PhoneNumber, models.PROTECT, null=True, related_name="calls", db_index=False)
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="calls", db_index=False)
    agent_version = models.PositiveIntegerField(null=True)  # the version of the agent that spoke
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")  # the API key that placed it
    direction = models.CharField(max_length=10, choices=Direction)
    from_number = models.CharField(max_length=40, blank=True, default="")
    to_number = models.CharField(max_length=40, blank=True, default="")
    mode = models.CharField(max_length=10, choices=CallMode)
    model_slug = models.CharField(max_length=80, blank=True, default="")
    config = OrderedJSONField(default=dict)
    dynamic_variables = OrderedJSONField(default=dict)
    metadata = models.JSONField(default=dict)  # see calls.metadata
    sandbox = models.BooleanField(default=False)
    demo = models.BooleanField(default=False)
    is_text = models.BooleanField(default=False, db_default=False)  # a written sandbox call
    public_id = models.CharField(max_length=40, unique=True, null=True)  # "sandbox_…", the id a sandbox call was given

    status = models.CharField(max_length=10, choices=CallStatus, default=CallStatus.INITIATED)
    voicemail_detected = models.BooleanField(default=False)
    # The whole message was spoken after the mailbox greeting.
    voicemail_message_left = models.BooleanField(default=False)
    screened = models.CharField(max_length=8, choices=Screened, blank=True, default="", db_default="")
    recording_enabled = models.BooleanField(default=False)
    analysis_result = OrderedJSONField(null=True)
    transcript_announced = models.BooleanField(default=False)
    # when retention deleted its transcript or its events (`calls.retention`)
    transcript_deleted_at = models.DateTimeField(null=True)
    events_deleted_at = models.DateTimeField(null=True)
    refusal_reason = models.CharField(max_length=40, blank=True, default="", db_default="")  # why it was refused
    reported_at = models.DateTimeField(null=True)  # when `call.report` was sent (calls.call_report)

    started_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)

    # A call to the user's own phone, who is connected to this number on pressing a key: calls.control.call_me_first
    connect_to = models.CharField(max_length=20, blank=True, default="", db_default="")
    # The call rings until the developer's server responds: calls.control.lookup.
    lookup_pending = models.BooleanField(default=False)
    carrier = models.CharField(max_length=20, blank=True, default=default_carrier)  # empty for a sandbox call
    carrier_call_id = models.CharField(max_length=200, null=True)  # Telnyx: call_control_id
    last_command_at = models.DateTimeField(null=True)  # when the carrier was last commanded to answer or to hang up
    # PostgreSQL works it out from the other columns. After `save` an object still has what it was read with.
    outcome = models.GeneratedField(
        expression=OUTCOME_OF_CALL, output_field=models.CharField(max_length=24, choices=Outcome), db_persist=True
    )

    objects = CallManager()

    class Meta:
        indexes = [
            models.Index(fields=["developer", "-id"], name="call_by_developer"),
            models.Index(fields=["phone_number", "-id"], name="call_by_number"),
            models.Index(fields=["agent", "-id"], include=["developer"], name="call_by_agent"),
            # For list filters that may match very few of many calls.
            models.Index(fields=["developer", "status", "-id"], name="call_by_status"),
            models.Index(fields=["developer", "hangup_cause", "-id"], name="call_by_outcome"),
            models.Index(fields=["developer", "outcome", "-id"], condition=~Q(outcome=""), name="call_by_whom_reached"),
            models.Index(fields=["developer", "direction", "-id"], name="call_by_direction"),
            models.Index(fields=["developer", "-id"], condition=~Q(refusal_reason=""), name="call_not_dialed"),
            models.Index(fields=["developer", "-id"], condition=Q(sandbox=True), name="call_in_sandbox"),
            models.Index(fields=["developer", "-id"], condition=Q(voicemail_detected=True), name="call_with_voicemail"),
            models.Index(fields=["developer", "started_at"], name="call_by_start"),
            GinIndex(fields=["metadata"], name="call_by_metadata", opclasses=["jsonb_path_ops"]),
            models.Index(fields=["developer"], condition=~Q(status__in=["completed", "failed"]), name="call_running"),
            models.Index(
                fields=["ended_at"],
                condition=Q(transcript_announced=False, ended_at__isnull=False),
                name="call_unannounced",
            ),
            models.Index(
                fields=["ended_at"], condition=Q(reported_at=None, ended_at__isnull=False), name="call_unreported"
            ),
            # For totals of a day or month, and the number of calls of a caller.
            models.Index(fields=["developer", "settled_at"], include=SUMMED_UP, name="call_sums"),
            models.Index(fields=["developer", "from_number", "started_at"], name="call_by_caller"),
            # For the number of calls to a callee (`calls.policy.gate`).
            models.Index(
                fields=["developer", "to_number", "started_at"],
                condition=Q(direction="outbound", sandbox=False),
                name="call_by_callee",
            ),
            # Trigram index: finds calls by part of a number (`calls.search`).
            GinIndex(
                fields=["from_number", "to_number"], opclasses=["gin_trgm_ops", "gin_trgm_ops"], name="call_numbers"
            ),
            GinIndex(
                fields=["connect_to"],
                opclasses=["gin_trgm_ops"],
                condition=~Q(connect_to=""),
                name="call_connected_numbers",
            ),
            models.Index(fields=["settled_at"], name="call_settled"),
            models.Index(fields=["media_token_hash"], condition=~Q(media_token_hash=""), name="call_media_token"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=["completed", "failed"]) | Q(ended_at__isnull=False),
                name="terminal_call_has_end",
            ),
            models.UniqueConstraint(fields=["carrier_call_id", "carrier"], name="call_once_per_carrier"),
        ]

    def __str__(self) -> str:
        return f"call {self.pk}"

    @property
    def is_without_model(self) -> bool:
        """Whether the model of the call never spoke: then only telephony is charged."""
        return self.mode == CallMode.STREAMING and self.model_spoke_at is None

    @property
    def settings(self) -> CallConfig:
        """`config`, typed: the settings resolved when the call started."""
        return CallConfig.from_json(self.config)

    @property
    def is_over(self) -> bool:
        return self.status in ENDED_STATUSES


_LOCKED = PreparedQuery(lambda call_id: Call.objects.for_update().filter(pk=call_id))


class CallEvent(models.Model):
    """A moment of the timeline."""

    class Source(models.TextChoices):
        SYSTEM = "system"
        TELEPHONY = "telephony"
        STREAMING = "streaming"
        WEBHOOK = "webhook"
        API = "api"

    call = models.ForeignKey(Call, models.CASCADE, related_name="events", db_index=False)
    event_type = models.CharField(max_length=40)
    source = models.CharField(max_length=10, choices=Source)
    event_timestamp = models.DateTimeField(default=timezone.now)
    metadata = OrderedJSONField(default=dict)

    class Meta:
        ordering = ["event_timestamp", "id"]
        indexes = [models.Index(fields=["call", "event_timestamp"], name="event_by_call")]

    def __str__(self) -> str:
        return self.event_type


# PostgreSQL's text search configuration: words unchanged, because calls are in any language.
TRANSCRIPT_LANGUAGE = "simple"


class TranscriptEntry(models.Model):
    """An utterance of one side. `interrupted`: the rest of it was not heard."""

    class Role(models.TextChoices):
        USER = "user"
        MODEL = "model"
        HUMAN = "human"  # a person who took over the call from the agent

    call = models.ForeignKey(Call, models.CASCADE, related_name="transcript", db_index=False)
    role = models.CharField(max_length=5, choices=Role)
    text = models.TextField()
    spoken_at = models.DateTimeField()
    item_id = models.CharField(max_length=100, blank=True, default="")  # the model's name for its answer
    interrupted = models.BooleanField(default=False)
    # Spoken by a thinking model before its final answer.
    commentary = models.BooleanField(default=False, db_default=False)
    interrupted_at_ms = models.PositiveIntegerField(null=True)  # into the answer; `text` is what was spoken until then

    class Meta:
        ordering = ["spoken_at", "id"]
        indexes = [
            models.Index(fields=["call", "spoken_at"], name="transcript_by_call"),
            GinIndex(SearchVector("text", config=TRANSCRIPT_LANGUAGE), name="transcript_words"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:40]}"


class SpeechTime(models.Model):
    """A stretch of time in which one side was heard, detected from the audio."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="speech", db_index=False)
    role = models.CharField(max_length=5, choices=TranscriptEntry.Role)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["began_at", "id"]
        indexes = [models.Index(fields=["call", "began_at"], name="speech_by_call")]

    def __str__(self) -> str:
        return f"{self.role}: {self.began_at} to {self.ended_at}"


class CallTurn(models.Model):
    """How long the caller waited for one answer, in milliseconds and by parts (`calls.session.turn_clock`)."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="turns", db_index=False)
    answered_at = models.DateTimeField()
    carrier_in_ms = models.PositiveIntegerField()
    detection_ms = models.PositiveIntegerField(null=True)
    model_ms = models.PositiveIntegerField()
    tool_ms = models.PositiveIntegerField()
    own_ms = models.PositiveIntegerField()
    playout_ms = models.PositiveIntegerField(null=True)
    total_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["answered_at", "id"]
        indexes = [models.Index(fields=["call", "answered_at"], name="turn_by_call")]

    def __str__(self) -> str:
        return f"{self.total_ms} ms"


class Utterance(models.Model):
    """A text that the developer has us speak with the carrier's voice, in as many pieces as the carrier requires.

    `key` identifies the request, so that a repeated one is spoken once. The carrier speaks texts in this order.
    """

    call = models.ForeignKey(Call, models.CASCADE, related_name="utterances")
    key = models.CharField(max_length=60, unique=True)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)  # null: the call is not answered yet
    pieces_to_come = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["call"], condition=Q(ended_at=None), name="utterance_open")]

    def __str__(self) -> str:
        return self.text[:40]


class Transfer(models.Model):
    """An attempt to transfer a call, on a separate leg."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="transfers")
    key = models.CharField(max_length=60, unique=True)
    to_number = models.CharField(max_length=20)
    rate = models.DecimalField(**MONEY_FIELD)
    briefing = models.TextField(blank=True, default="")  # played to the recipient before the caller is connected
    requested_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    carrier_call_id = models.CharField(max_length=200, blank=True, default="")
    answered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call"], condition=Q(answered_at=None, failed_at=None), name="one_transfer_at_a_time"
            ),
        ]
        indexes = [models.Index(fields=["to_number"], name="transfer_by_number")]

    def __str__(self) -> str:
        return f"transfer to {self.to_number}"


class CarrierEventRecord(models.Model):
    """A carrier webhook, stored by its own id so that repeats are recognized."""

    carrier = models.CharField(max_length=20, default=default_carrier)
    event_id = models.CharField(max_length=100)
    event_type = models.CharField(max_length=60)
    carrier_call_id = models.CharField(max_length=200, blank=True, default="")
    direction = models.CharField(max_length=10, blank=True, default="")
    cause = models.CharField(max_length=24, blank=True, default="")
    detail = models.CharField(max_length=200, blank=True, default="")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["carrier_call_id"], name="carrier_event_by_call")]
        constraints = [models.UniqueConstraint(fields=["carrier", "event_id"], name="carrier_event_once")]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
