"""The price of a call from the Sandbox page, shown before it starts."""

from dataclasses import dataclass
from decimal import Decimal

from agents.agent_settings import resolution
from agents.selectors import find_model, in_service
from bubblyphone.core.money import ZERO
from calls.charging.call_prices import ANALYSIS_PRICE, WHISPER_PRICE_PER_MINUTE, model_price
from phone_numbers.models import PhoneNumber


@dataclass(frozen=True, slots=True)
class SandboxPrice:
    """In USD.

    `own_key`: the model is billed to the developer's own key. `analysis` is per call, everything else per minute. Zero means not used.
    """

    model_name: str
    model: Decimal
    own_key: bool
    analysis: Decimal
    transcription: Decimal


def price_of(number: PhoneNumber) -> SandboxPrice:
    """The price of a test call to this number's agent, with the number's current settings."""
    config = resolution.resolve(request={}, request_agent=None, number=number)
    model = in_service(find_model(config.model_slug))
    return SandboxPrice(
        model_name=model.display_name if model else config.model_slug,
        model=model_price(config),
        own_key=config.model_key_id is not None,
        analysis=ANALYSIS_PRICE if config.analysis_schema else ZERO,
        transcription=WHISPER_PRICE_PER_MINUTE if config.transcription_enabled and config.recording_enabled else ZERO,
    )
