"""What the editor needs from the sandbox, where its agent is tested. Filled in `AppConfig.ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from agents.models import Agent
from bubblyphone.core.registry import Slot


@dataclass(frozen=True, slots=True)
class TestTerms:
    """The price of a spoken agent test: USD per minute after `free_left` free tests; zero if all are free."""

    model_name: str
    per_minute: Decimal
    is_offline: bool  # the offline model answers; it only follows simple prompts
    free_left: int


TEST_TERMS: Slot[Callable[[Agent], TestTerms]] = Slot("the terms of testing an agent")
