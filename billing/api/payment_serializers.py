"""Request bodies of top-ups. Their limits are declared once, in `billing.payments`."""

from decimal import Decimal
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from billing.payments import auto_topup, checkout
from bubblyphone.core.api.views import StrictSerializer
from bubblyphone.core.money import round_half_up

CENT = Decimal("0.01")


class NumberField(serializers.Field[Any, Any, Any, Any]):
    """A JSON number of US dollars, to the cent: one of `choices`, or from `least` to `most`. Returns a Decimal."""

    def __init__(
        self, *, choices: tuple[Decimal, ...] = (), least: Decimal = CENT, most: Decimal = CENT, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.choices, self.least, self.most = choices, least, most

    def to_internal_value(self, data: Any) -> Decimal:
        # The float as it is written: 0.1 is exactly a tenth.
        number = Decimal(str(data)) if isinstance(data, int | float) and not isinstance(data, bool) else None
        if self.choices and number not in self.choices:
            raise serializers.ValidationError(f"Must be one of {', '.join(map(str, self.choices))}.")
        if number is None or not (self.choices or self.least <= number <= self.most):
            raise serializers.ValidationError(f"Must be a number between {self.least} and {self.most}.")
        return round_half_up(number, CENT)

    def to_representation(self, value: Decimal) -> float | int:
        return as_number(value)


class NumberExtension(OpenApiSerializerFieldExtension):
    target_class = "billing.api.payment_serializers.NumberField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        field: NumberField = self.target
        # drf-spectacular adds null to the type.
        if field.choices:
            nothing = [None] if field.allow_null else []
            return {"type": "number", "enum": [*map(as_number, field.choices), *nothing]}
        return {"type": "number", "minimum": as_number(field.least), "maximum": as_number(field.most)}


def as_number(amount: Decimal) -> float | int:
    """Whole dollars as 5, not 5.0."""
    return int(amount) if amount == int(amount) else float(amount)


class TopUpSerializer(StrictSerializer):
    """The body of POST /billing/top-up."""

    amount = NumberField(choices=checkout.AMOUNTS)
    save_payment_method = serializers.BooleanField(required=False)


class AutoTopUpSerializer(StrictSerializer):
    """The body of PUT /billing/auto-topup. Omitted and null fields stay unchanged."""

    enabled = serializers.BooleanField()
    threshold = NumberField(
        required=False, allow_null=True, least=auto_topup.THRESHOLDS[0], most=auto_topup.THRESHOLDS[1]
    )
    amount = NumberField(required=False, allow_null=True, choices=auto_topup.AMOUNTS)
