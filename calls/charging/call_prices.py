"""The prices that a call starts with."""

from decimal import Decimal

from agents.agent_settings.call_config import CallConfig
from agents.models import AIModel
from agents.selectors import find_model, in_service
from bubblyphone.core.money import ZERO

TRANSCRIPTION_PRICE = Decimal("0.02")  # per webhook-mode call in which speech was transcribed
WHISPER_PRICE_PER_MINUTE = Decimal("0.03")  # of recording, charged by the second
ANALYSIS_PRICE = Decimal("0.01")  # per call that is analyzed
MINIMUM_BALANCE = Decimal("0.50")  # minimum balance to start a call


def model_price(config: CallConfig) -> Decimal:
    """Per minute; zero with the developer's own key (BYOK)."""
    return price_of_model(find_model(config.model_slug), config)


def price_of_model(model: AIModel | None, config: CallConfig) -> Decimal:
    """`model_price`, with what `find_model` returned for the configuration's model."""
    running = in_service(model)
    return ZERO if config.model_key_id or running is None else running.price_per_minute
