"""The allowed values of settings with a fixed set of choices."""

from django.db.models import TextChoices


class VoicemailAction(TextChoices):
    HANGUP = "hangup"
    AI_MESSAGE = "ai_message"


class FirstSpeaker(TextChoices):
    """Who speaks first when the call is answered."""

    AGENT = "agent"
    CALLER = "caller"


class InterruptionSensitivity(TextChoices):
    """How easily a sound from the caller counts as speech, which interrupts the agent."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ReasoningEffort(TextChoices):
    """How much a model thinks before it speaks, in the vendors' terms."""

    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


class NoiseReduction(TextChoices):
    """The kind of microphone whose noise the model's vendor filters out."""

    NEAR_FIELD = "near_field"
    FAR_FIELD = "far_field"
