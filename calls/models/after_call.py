"""Work after a call: its recording, transcription and analysis. Part of `calls.models`."""

from django.db import models
from django.utils import timezone


class AfterCallWork(models.Model):
    """Work that a job does after a call and retries after failures (`calls.after_call.jobs`)."""

    class Status(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        FAILED = "failed"

    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)  # null: nothing to do now
    attempt_count = models.PositiveSmallIntegerField(default=0)  # consecutive failed attempts
    reason = models.CharField(max_length=300, blank=True, default="")  # error of the last attempt
    finished_at = models.DateTimeField(null=True)

    call_id: int  # the subclass has a `call`

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["next_attempt_at"], condition=models.Q(status="pending"), name="%(class)s_due")]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} of call {self.call_id}"


class Recording(AfterCallWork):
    """A call's audio: caller left, agent right.

    Pending: it is being recorded, or moved into the storage. `name` is the file's in the storage "recordings". A deleted recording keeps
    its row without a file. After a transfer, the carrier's recording continues the session's in the same file: caller left, recipient
    right. `missing` says why that part is absent.
    """

    class Maker(models.TextChoices):
        PLATFORM = "platform"
        CARRIER = "carrier"

    call = models.OneToOneField("calls.Call", models.CASCADE, related_name="recording")
    maker = models.CharField(max_length=10, choices=Maker)
    started_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(null=True)  # when the recorder reported completion; a session may continue it
    carrier_told_at = models.DateTimeField(null=True)  # when the carrier accepted the command to record
    carrier_url = models.TextField(blank=True, default="")  # where the carrier has it, for ten minutes
    # Of the part after a transfer: since when the carrier is to record, when that ended one way or the other, and when the carrier
    # says that it began.
    transferred_at = models.DateTimeField(null=True)
    part_made_at = models.DateTimeField(null=True)
    part_began_at = models.DateTimeField(null=True)
    missing = models.CharField(max_length=300, blank=True, default="")
    name = models.CharField(max_length=200, blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta(AfterCallWork.Meta):
        indexes = [
            *AfterCallWork.Meta.indexes,
            models.Index(fields=["finished_at"], condition=~models.Q(name=""), name="recording_by_age"),
        ]


class Transcription(AfterCallWork):
    """A recording's transcript by Whisper or the offline recognizer, made and stored piece by piece.

    `segments` are `{"start", "end", "text", "role"}` in seconds, `positions_ms` how far each channel is done.
    """

    call = models.OneToOneField("calls.Call", models.CASCADE, related_name="transcription")
    source = models.CharField(max_length=100, blank=True, default="")
    segments = models.JSONField(default=list)
    positions_ms = models.JSONField(default=list)
    cost = models.DecimalField(max_digits=18, decimal_places=6, default=0)


class Analysis(AfterCallWork):
    """The analysis of a call's transcript; the result is `Call.analysis_result`."""

    call = models.OneToOneField("calls.Call", models.CASCADE, related_name="analysis")
    source = models.CharField(max_length=100, blank=True, default="")

    class Meta(AfterCallWork.Meta):
        verbose_name_plural = "analyses"
