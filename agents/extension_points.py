"""What the editor needs of the sandbox, where its agent is tested. Filled in `AppConfig.ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from agents.models import Agent
from bubblyphone.core.registry import Slot


@dataclass(frozen=True, slots=True)
class TestTerms:
    """What a spoken test of an agent costs: USD per minute, after `free_left` tests that are free; zero where all are."""

    model_name: str
    per_minute: Decimal
    is_offline: bool  # the offline model answers, which follows simple prompts only
    free_left: int


TEST_TERMS: Slot[Callable[[Agent], TestTerms]] = Slot("the terms of testing an agent")
