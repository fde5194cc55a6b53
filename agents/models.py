"""The model catalog, developers' own model keys, and agents."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from pydantic import ValidationError as Mismatch

from agents.capabilities import Capabilities
from bubblyphone.core.money import MONEY_FIELD
from bubblyphone.core.ordered_json import OrderedJSONField


def validate_capabilities(value: Any) -> None:
    """A validator of the model field. Raises django.core.exceptions.ValidationError, which the admin shows."""
    if not isinstance(value, dict):
        raise ValidationError("Enter a JSON object.")
    try:
        Capabilities.from_json(value)
    except Mismatch as error:
        raise ValidationError([f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]) from error


class AIModel(models.Model):
    """A model of the catalog: its price and its name at the provider. Data, which staff edit."""

    class Provider(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        GOOGLE = "google", "Google"
        LOCAL = "local", "Local"

    slug = models.SlugField(max_length=80, unique=True, allow_unicode=False)
    # Some slugs have a second spelling; both are accepted and echoed as given.
    aliases = models.JSONField(default=list, blank=True)
    provider = models.CharField(max_length=10, choices=Provider)
    display_name = models.CharField(max_length=100)
    upstream_id = models.CharField(max_length=100)
    price_per_minute = models.DecimalField(**MONEY_FIELD)
    is_enabled = models.BooleanField(default=True)
    capabilities = models.JSONField(default=dict, blank=True, validators=[validate_capabilities])
    # From that day on (UTC) its vendor no longer serves it; calls then run on its successor, if it has one.
    retires_on = models.DateField(null=True, blank=True)
    successor = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        ordering = ["position", "slug"]
        verbose_name = "AI model"

    def __str__(self) -> str:
        return self.display_name

    @property
    def can(self) -> Capabilities:
        """What the model can do."""
        return Capabilities.from_json(self.capabilities)

    @property
    def is_retired(self) -> bool:
        return self.retires_on is not None and self.retires_on <= timezone.now().date()


class ModelKey(models.Model):
    """A developer's own key at a provider (BYOK), encrypted."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="model_keys")
    provider = models.CharField(max_length=10, choices=[("openai", "OpenAI"), ("google", "Google")])
    label = models.CharField(max_length=100, blank=True, default="")
    encrypted = models.TextField()
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.provider} …{self.last_four}"


class VoicemailAction(models.TextChoices):
    HANGUP = "hangup"
    AI_MESSAGE = "ai_message"


class FirstSpeaker(models.TextChoices):
    """Who speaks first once the call is answered."""

    AGENT = "agent"
    CALLER = "caller"


class InterruptionSensitivity(models.TextChoices):
    """How easily a sound from the caller counts as speech, which interrupts the agent."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AgentSettings(models.Model):
    """Settings of an agent, or of a number without one, for its calls. Null means "not set here": see `agents.configuration`."""

    model_slug = models.CharField(max_length=80, null=True, blank=True)
    model_key = models.ForeignKey(ModelKey, models.PROTECT, null=True, blank=True, related_name="+")
    system_prompt = models.TextField(null=True, blank=True)
    greeting_message = models.TextField(null=True, blank=True)
    voice = models.CharField(max_length=80, null=True, blank=True)
    language = models.CharField(max_length=20, null=True, blank=True)
    tools = OrderedJSONField(null=True, blank=True)
    tool_webhook_url = models.URLField(max_length=2000, null=True, blank=True)
    # {name: text}: values for `{{name}}` if a call gives none
    default_variables = OrderedJSONField(null=True, blank=True)
    transfer_number = models.CharField(max_length=200, null=True, blank=True)  # may hold a variable
    auto_transfer_tool = models.BooleanField(null=True)
    recording_enabled = models.BooleanField(null=True)
    transcription_enabled = models.BooleanField(null=True)
    realtime_transcript = models.BooleanField(null=True)
    voicemail_action = models.CharField(max_length=12, choices=VoicemailAction, null=True, blank=True)
    max_call_duration = models.PositiveIntegerField(null=True)
    silence_timeout = models.PositiveIntegerField(null=True)
    first_speaker = models.CharField(max_length=6, choices=FirstSpeaker, null=True, blank=True)
    interruptible = models.BooleanField(null=True)  # the caller's voice stops ours
    interruption_sensitivity = models.CharField(max_length=6, choices=InterruptionSensitivity, null=True, blank=True)
    fallback_model = models.CharField(max_length=80, null=True, blank=True)  # slug; takes over when the model fails
    max_cost_per_call = models.DecimalField(
        null=True, blank=True, **MONEY_FIELD
    )  # USD; a call ends before it costs more

    class Meta:
        abstract = True


class Agent(AgentSettings):
    """A reusable configuration, linked to numbers or named in a call."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True, default="")
    analysis_schema = OrderedJSONField(null=True, blank=True)
    daily_cap = models.DecimalField(null=True, blank=True, **MONEY_FIELD)  # USD a day (UTC) for all calls of the agent
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
