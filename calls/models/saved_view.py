"""Saved filters of the list of calls. Part of `calls.models`."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class SavedView(models.Model):
    """`query` holds the filters and columns in the format of the list's URL. The list opens with the default view."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["developer", "name"], name="saved_view_name"),
            models.UniqueConstraint(fields=["developer"], condition=Q(is_default=True), name="one_default_view"),
        ]

    def __str__(self) -> str:
        return self.name
