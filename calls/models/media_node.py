"""The media processes, as announced by themselves."""

from django.db import models


class MediaNode(models.Model):
    """A process of the role `media`, identified by its MEDIA_NODE. `calls.control.media_nodes` writes and reads the rows."""

    name = models.CharField(max_length=63, unique=True)
    url = models.CharField(max_length=200)  # a media token follows it
    seen_at = models.DateTimeField()
    accepts_calls = models.BooleanField(default=True)  # false when it is about to stop
    calls = models.PositiveIntegerField(default=0)  # as of its last sign of life, plus those sent there since
    late_frames = models.PositiveBigIntegerField(default=0)  # since its start; see `calls.session.audio_counts`
    lost_frames = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
