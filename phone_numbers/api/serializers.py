"""Numbers as JSON, and the bodies and queries of their endpoints but PATCH (see `phone_numbers.api.update`)."""

from typing import Any

from rest_framework import serializers

from agents.serializers import MAX_ID, EmptyableText, PhoneNumberField, WebhookUrlField
from bubblyphone.core.api.views import StrictSerializer
from phone_numbers import carrier_accounts
from phone_numbers.models import NumberType
from webhooks.http.outbound_http import MAX_URL_LENGTH


class CountryField(serializers.RegexField):
    """Two letters in any case, converted to upper case."""

    def __init__(self, **kwargs: Any) -> None:
        text = "Must be a two-letter country code, like US."
        super().__init__(r"^[A-Za-z]{2}\Z", error_messages={"invalid": text}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).upper()


class NumberSearchSerializer(serializers.Serializer[Any]):
    """The query of GET /phone-numbers/available."""

    country = CountryField(default="US")
    number_type = serializers.ChoiceField(NumberType.choices, required=False)
    area_code = serializers.RegexField(
        r"^[0-9]{1,6}\Z", required=False, error_messages={"invalid": "Must be 1 to 6 digits."}
    )
    locality = serializers.CharField(max_length=100, required=False)
    contains = serializers.RegexField(
        r"^[0-9]{1,15}\Z", required=False, error_messages={"invalid": "Must be 1 to 15 digits."}
    )
    limit = serializers.IntegerField(min_value=1, max_value=50, default=50)
    carrier = serializers.CharField(max_length=20, required=False)
    carrier_account_id = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)


class PricingQuerySerializer(serializers.Serializer[Any]):
    """The query of GET /number-pricing."""

    country = CountryField(required=False)
    number_type = serializers.ChoiceField(NumberType.choices, required=False)


class CarrierAccountSerializer(StrictSerializer):
    """The body of POST /carrier-accounts."""

    provider = serializers.CharField(max_length=20)
    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name
    credentials = serializers.DictField(
        child=serializers.CharField(max_length=500, allow_blank=True), allow_empty=False
    )

    def validate_provider(self, value: str) -> str:
        if value not in (known := carrier_accounts.providers()):
            raise serializers.ValidationError(f"Must be one of {', '.join(known)}.")
        return value


class CarrierAccountUpdateSerializer(StrictSerializer):
    """The body of PATCH /carrier-accounts/{id}: only the named fields change."""

    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name
    credentials = serializers.DictField(
        child=serializers.CharField(max_length=500, allow_blank=True), allow_empty=False, required=False
    )


class NumberPurchaseSerializer(StrictSerializer):
    """The body of POST /phone-numbers."""

    phone_number = PhoneNumberField(required=True, allow_null=False, allow_blank=False, max_length=20)
    webhook_url = WebhookUrlField(max_length=MAX_URL_LENGTH)
    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name
    country_code = CountryField(default="US")
    number_type = serializers.ChoiceField(NumberType.choices, default=NumberType.LOCAL)
    carrier = serializers.CharField(max_length=20, required=False)
    carrier_account_id = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)

    def validate_webhook_url(self, value: str | None) -> str:
        return value or ""
