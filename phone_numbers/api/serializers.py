"""Numbers as JSON, and the bodies and queries of their endpoints but PATCH (see `phone_numbers.api.update`)."""

from typing import Any

from rest_framework import serializers

from agents.configuration import resolve
from agents.serializers import EmptyableText, PhoneNumberField, WebhookUrlField
from agents.settings import CallConfig, own_settings
from bubblyphone.core.api import StrictSerializer, format_time
from bubblyphone.core.money import format_amount, format_money
from phone_numbers.carriers.base import AvailableNumber
from phone_numbers.models import NumberPrice, NumberType, PhoneNumber
from webhooks.outbound_http import MAX_URL_LENGTH

CURRENCY = "USD"
_DEFAULTS = CallConfig()


def number_data(number: PhoneNumber) -> dict[str, Any]:
    """A number with its own agent settings; null means that the linked agent or the default decides.

    The two time limits are never null: where the number has none, they show the default. `config` in
    `number_with_config_data` tells what a call would go by.
    """
    settings = own_settings(number)
    return {
        "id": number.pk,
        "phone_number": number.e164,
        "country_code": number.country_code,
        "number_type": number.number_type,
        "label": number.label or None,
        "status": number.status,
        "monthly_cost": format_money(number.monthly_cost),
        "mode": number.mode,
        "webhook_url": number.webhook_url or None,
        "agent_id": number.agent_id,
        "model": number.model_slug,
        **settings,
        "max_call_duration": settings["max_call_duration"] or _DEFAULTS.max_call_duration,
        "silence_timeout": settings["silence_timeout"] or _DEFAULTS.silence_timeout,
        "daily_cap": format_amount(number.daily_cap),
        "max_concurrent_calls": number.max_concurrent_calls,
        "created_at": format_time(number.created_at),
        "renews_at": format_time(number.renews_at),
    }


def number_with_config_data(number: PhoneNumber) -> dict[str, Any]:
    """A number with `config`: each setting that an inbound call would use, and its source."""
    return {**number_data(number), "config": resolve(request={}, request_agent=None, number=number).to_json()}


def bought_number_data(number: PhoneNumber, webhook_secret: str) -> dict[str, Any]:
    """The answer to a purchase or a rotation, the only ones that show the webhook secret."""
    return {**number_with_config_data(number), "webhook_secret": webhook_secret}


def available_number_data(number: AvailableNumber) -> dict[str, Any]:
    """An available number. `cost_information` is what the carrier charges the installation, in its own currency."""
    return {
        "phone_number": number.phone_number,
        "phone_number_type": number.phone_number_type,
        "features": number.features,
        "cost_information": number.cost_information,
        "region_information": number.region_information,
    }


def cost_data(price: NumberPrice) -> dict[str, str]:
    """The price of a kind of number."""
    return {
        "setup_cost": format_money(price.setup_cost),
        "monthly_cost": format_money(price.monthly_cost),
        "currency": CURRENCY,
    }


def price_data(price: NumberPrice) -> dict[str, str]:
    """An entry of the price list."""
    return {"country_code": price.country_code, "number_type": price.number_type, **cost_data(price)}


class CountryField(serializers.RegexField):
    """Two letters in either case; given on in capitals."""

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


class PricingQuerySerializer(serializers.Serializer[Any]):
    """The query of GET /number-pricing."""

    country = CountryField(required=False)
    number_type = serializers.ChoiceField(NumberType.choices, required=False)


class NumberPurchaseSerializer(StrictSerializer):
    """The body of POST /phone-numbers."""

    phone_number = PhoneNumberField(required=True, allow_null=False, allow_blank=False, max_length=20)
    webhook_url = WebhookUrlField(max_length=MAX_URL_LENGTH)
    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name
    country_code = CountryField(default="US")
    number_type = serializers.ChoiceField(NumberType.choices, default=NumberType.LOCAL)

    def validate_webhook_url(self, value: str | None) -> str:
        return value or ""
