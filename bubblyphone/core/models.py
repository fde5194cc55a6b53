"""What belongs to no app: forms that were sent."""

from django.db import models


class Press(models.Model):
    """A form of a page that was sent (`once`): its hash, and where its answer led; nowhere yet while it is carried out."""

    key = models.CharField(max_length=64, primary_key=True)
    place = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
