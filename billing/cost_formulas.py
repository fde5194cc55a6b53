"""Cost of call time: pure arithmetic. docs/guarantees.md states the rules for account holders."""

from decimal import Decimal

from bubblyphone.core.money import round_half_up

SECONDS_PER_MINUTE = 60


def telephony_cost(duration_seconds: int, rate: Decimal) -> Decimal:
    """Per started minute, at `rate` USD a minute. Nothing for a call without duration."""
    started_minutes = -(-duration_seconds // SECONDS_PER_MINUTE)
    return started_minutes * rate


def model_cost(duration_seconds: int, rate: Decimal) -> Decimal:
    """Per second, at `rate` USD a minute, rounded half-up to $0.001: 95 s at 0.04 cost 0.063."""
    return round_half_up(rate * duration_seconds / SECONDS_PER_MINUTE)
