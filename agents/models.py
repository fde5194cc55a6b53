"""The model catalog, developers' own model keys, and agents."""

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from pydantic import ValidationError as Mismatch

from accounts.models import ApiKey
from agents.agent_settings import kinds
from agents.agent_settings.declarations import SETTINGS
from agents.model_catalog.model_capabilities import Capabilities
from bubblyphone.core.json.ordered_field import OrderedJSONField
from bubblyphone.core.money import MONEY_FIELD
from webhooks.models import SigningSecret

LONGEST_LINE = 1000  # characters; a column for more is a TextField


def validate_capabilities(value: Any) -> None:
    """A validator of the model field. Raises django.core.exceptions.ValidationError, which the admin shows."""
    if not isinstance(value, dict):
        raise ValidationError("Enter a JSON object.")
    if unknown := sorted(value.keys() - Capabilities.model_fields.keys()):
        raise ValidationError([f"{name}: Unknown capability." for name in unknown])
    try:
        Capabilities.from_json(value)
    except Mismatch as error:
        raise ValidationError([f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]) from error


class AIModel(models.Model):
    """A catalog model: its price and its name at the provider. Data that staff edit."""

    class Provider(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        GOOGLE = "google", "Google"
        LOCAL = "local", "Local"

    slug = models.SlugField(max_length=80, unique=True, allow_unicode=False)
    # Some slugs have a second spelling; both are accepted and returned as given.
    aliases = models.JSONField(default=list, blank=True)
    provider = models.CharField(max_length=10, choices=Provider)
    display_name = models.CharField(max_length=100)
    upstream_id = models.CharField(max_length=100)
    price_per_minute = models.DecimalField(**MONEY_FIELD)
    is_enabled = models.BooleanField(default=True)
    capabilities = models.JSONField(default=dict, blank=True, validators=[validate_capabilities])
    # The vendor stops serving it on this day (UTC); calls then use its successor, if it has one.
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
    """A developer's own, encrypted key at a provider (BYOK)."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="model_keys")
    provider = models.CharField(max_length=10, choices=[("openai", "OpenAI"), ("google", "Google")])
    label = models.CharField(max_length=100, blank=True, default="")
    encrypted = models.TextField()
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.provider} …{self.last_four}"


class VoiceSample(models.Model):
    """A sentence in the voice of a vendor's model, for the agent editor: made once, and the same for all accounts."""

    provider = models.CharField(max_length=10)
    upstream_model = models.CharField(max_length=100)
    voice = models.CharField(max_length=100)
    sound = models.BinaryField()  # a WAV file of some 200 KB
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "upstream_model", "voice"], name="voice_sample_once")
        ]

    def __str__(self) -> str:
        return f"{self.upstream_model} {self.voice}"


class AgentSettings(models.Model):
    """Settings of an agent, or of a number without one, for its calls: a column for each of `SETTINGS`.

    Null means "not set here": see `agents.agent_settings.resolution`.
    """

    model_slug = models.CharField(max_length=80, null=True, blank=True)
    # The columns below that code reads by name.
    model_key: ModelKey | None
    system_prompt: str | None
    voice: str | None
    tools: list[dict[str, Any]] | None
    tool_webhook_url: str | None
    transfer_number: str | None
    recording_enabled: bool | None

    class Meta:
        abstract = True


def column(kind: kinds.Kind) -> models.Field[Any, Any]:
    """The column that holds a setting of this kind."""
    match kind:
        case kinds.Flag():
            return models.BooleanField(null=True)
        case kinds.Whole():
            return models.PositiveIntegerField(null=True)
        case kinds.Amount():
            return models.DecimalField(null=True, blank=True, **MONEY_FIELD)
        case kinds.Choice():
            return models.CharField(max_length=kind.length, choices=kind.values, null=True, blank=True)
        case kinds.Text() if kind.max_length > LONGEST_LINE:
            return models.TextField(null=True, blank=True)
        case kinds.Text() | kinds.Language() | kinds.TransferNumber() | kinds.ModelSlug():
            return models.CharField(max_length=kind.max_length, null=True, blank=True)
        case kinds.Url():
            return models.URLField(max_length=kind.max_length, null=True, blank=True)
        case kinds.OwnKey():
            return models.ForeignKey(ModelKey, models.PROTECT, null=True, blank=True, related_name="+")
        case kinds.Tools() | kinds.Variables():
            return OrderedJSONField(null=True, blank=True)


for _setting in SETTINGS:
    # Django appends "_id" to the name of a foreign key.
    AgentSettings.add_to_class(_setting.name.removesuffix("_id"), column(_setting.kind))


class Secret(models.Model):
    """A value that tools send in headers and URLs, as `{{secret.NAME}}` (`agents.secrets`)."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=64)
    encrypted = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["developer", "name"], name="secret_once_by_name")]

    def __str__(self) -> str:
        return self.name


class Agent(AgentSettings):
    """A reusable configuration, linked to numbers or named in a call."""

    developer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True, default="")
    analysis_schema = OrderedJSONField(null=True, blank=True)
    daily_cap = models.DecimalField(
        null=True, blank=True, **MONEY_FIELD
    )  # daily cap in USD (UTC) for all calls of the agent
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.PositiveIntegerField(default=1, db_default=1)  # the one that is live
    # What the editor holds and is not live: its form as it was sent, the version it was begun from, and when it was last saved.
    draft = models.TextField(blank=True, default="", db_default="")
    draft_version = models.PositiveIntegerField(null=True)
    draft_saved_at = models.DateTimeField(null=True)
    # Signs the tool requests of its tests while none of the developer's numbers has a secret (`calls.selectors.signing_secret_of`).
    signing_secret = models.ForeignKey(SigningSecret, models.SET_NULL, null=True, blank=True, related_name="+")

    def __str__(self) -> str:
        return self.name

    @property
    def draft_mark(self) -> str:
        """Changes whenever the draft or the live version changes."""
        return sha256(f"{self.version}:{self.draft}".encode()).hexdigest()[:16]


class AgentVersion(models.Model):
    """What an agent was from one publication to the next: `values` by name (agents.versions). Never changed afterwards."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    values = OrderedJSONField(default=dict)
    published_at = models.DateTimeField(default=timezone.now)
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, related_name="+"
    )  # the key that published it; null: the dashboard
    restored = models.PositiveIntegerField(null=True)  # the earlier version that was restored

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["agent", "number"], name="agent_version_once")]

    def __str__(self) -> str:
        return f"{self.agent}, version {self.number}"
