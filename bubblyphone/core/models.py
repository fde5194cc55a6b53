"""Models that belong to no app: submitted forms."""

from django.db import models


class Press(models.Model):
    """A submitted form of a page (`once`): its hash, and the redirect of its response; empty while it is processed."""

    key = models.CharField(max_length=64, primary_key=True)
    place = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
