"""Per-minute prices, and which rate applies."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.cost_formulas import model_cost, telephony_cost
from billing.models import TelephonyRate
from billing.selectors import find_rate
from bubblyphone.core.errors import Forbidden
from bubblyphone.core.money import format_money

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "cost"), [(0, "0.00"), (1, "0.05"), (60, "0.05"), (61, "0.10"), (120, "0.10"), (3600, "3.00")]
)
def test_telephony_by_started_minute(seconds: int, cost: str) -> None:
    assert format_money(telephony_cost(seconds, Decimal("0.05"))) == cost


@pytest.mark.parametrize(
    ("seconds", "rate", "cost"),
    [
        (95, "0.04", "0.063"),  # 0.06333
        (0, "0.04", "0.00"),
        (1, "0.03", "0.001"),  # 0.0005, rounded up
        (15, "0.006", "0.002"),  # 0.0015
        (1, "0.029", "0.00"),  # 0.00048
        (60, "0.12", "0.12"),
        (3600, "0.04", "2.40"),
    ],
)
def test_model_by_second_rounded_half_up(seconds: int, rate: str, cost: str) -> None:
    assert format_money(model_cost(seconds, Decimal(rate))) == cost


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("direction", "number", "rate"),
    [
        ("outbound", "+14155550100", "0.05"),
        ("inbound", "+14155550100", "0.04"),
        ("outbound", "+12425550100", "0.40"),  # the Bahamas, inside +1
        ("outbound", "+442079460000", "0.06"),
        ("outbound", "+447700900000", "0.10"),
        ("inbound", "+442079460000", "0.04"),
    ],
)
def test_longest_prefix(direction: str, number: str, rate: str) -> None:
    assert find_rate(direction, number, NOW) == Decimal(rate)


@pytest.mark.django_db
def test_the_newest_rate_already_in_effect_applies() -> None:
    for days, price in ((-2, "0.07"), (-1, "0.08"), (1, "0.09")):
        TelephonyRate.objects.create(
            direction="outbound", prefix="44", price_per_minute=Decimal(price), valid_from=NOW + timedelta(days=days)
        )
    assert find_rate("outbound", "+442079460000", NOW) == Decimal("0.08")
    assert find_rate("outbound", "+442079460000", NOW + timedelta(days=2)) == Decimal("0.09")
    assert find_rate("outbound", "+447700900000", NOW) == Decimal("0.10")


@pytest.mark.django_db
def test_a_destination_without_a_rate_cannot_be_called() -> None:
    with pytest.raises(Forbidden) as refusal:
        find_rate("outbound", "+8816123456", NOW)
    assert refusal.value.code == "no_rate"
