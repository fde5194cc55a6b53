"""Amounts of money in request bodies."""

from decimal import Decimal, InvalidOperation
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bubblyphone.core.money import format_money, round_half_up

LEAST = Decimal("0.01")
MOST = Decimal(100_000)
SIX_PLACES = Decimal("0.000001")


@extend_schema_field(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$"},
            {"type": "number", "minimum": float(LEAST), "maximum": int(MOST)},
        ],
        "examples": ["0.50"],
    }
)
class AmountField(serializers.Field[Any, Any, Any, Any]):
    """USD, as a text ("0.50") or a JSON number, from $0.01 to $100,000; kept to six decimals. Gives a Decimal."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, str | int | float):
            raise serializers.ValidationError("Must be an amount in USD, like 0.50.")
        try:
            # Through its text, so that 0.1 is exactly a tenth.
            amount = Decimal(str(data)[:40])
        except InvalidOperation as error:
            raise serializers.ValidationError("Must be an amount in USD, like 0.50.") from error
        if not (amount.is_finite() and LEAST <= amount <= MOST):
            raise serializers.ValidationError(f"Must be between {format_money(LEAST)} and {MOST}.")
        return round_half_up(amount, SIX_PLACES)

    def to_representation(self, value: Decimal) -> str:
        return format_money(value)
