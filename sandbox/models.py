"""Models of the Phone page."""

from django.db import models

from accounts.models import Developer


class Handset(models.Model):
    """A developer's browser phone at the built-in exchange."""

    developer = models.OneToOneField(Developer, on_delete=models.CASCADE, primary_key=True, related_name="handset")
    number = models.CharField(max_length=16, unique=True, help_text="E.164")

    def __str__(self) -> str:
        return self.number
