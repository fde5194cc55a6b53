"""The landing page for visitors: what the product is and what it costs, read from the catalog."""

from dataclasses import dataclass
from decimal import Decimal

import phonenumbers
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from agents.models import AIModel
from agents.selectors import list_models
from billing import billing_switch
from billing.models import TelephonyRate
from billing.selectors import find_rate
from bubblyphone.core.errors import Forbidden
from phone_numbers.countries import country_name
from phone_numbers.models import NumberPrice

MOST_COUNTRIES = 6
FIRST = "US"


@dataclass(frozen=True, slots=True)
class CountryPrice:
    """In USD: the cheapest type of number in a country, and a minute of calls to and from a typical number. None without a rate."""

    name: str
    monthly: Decimal
    inbound: Decimal | None
    outbound: Decimal | None


def landing(request: HttpRequest) -> HttpResponse:
    """The page. With billing off there are no prices."""
    has_prices = billing_switch.is_on()
    context = {
        "models": models_in_service() if has_prices else [],
        "countries": country_prices() if has_prices else [],
    }
    return render(request, "calls/landing.html", context)


def models_in_service() -> list[AIModel]:
    """The models that calls can use, in catalog order."""
    return [model for model in list_models() if model.is_enabled and not model.is_retired]


def country_prices() -> list[CountryPrice]:
    """The countries with the cheapest numbers, the United States first."""
    cheapest: dict[str, Decimal] = {}
    for code, monthly in NumberPrice.objects.order_by("monthly_cost", "country_code").values_list(
        "country_code", "monthly_cost"
    ):
        cheapest.setdefault(code, monthly)
    codes = sorted(cheapest, key=lambda code: (code != FIRST, cheapest[code], country_name(code)))
    return [_country(code, cheapest[code]) for code in codes[:MOST_COUNTRIES]]


def _country(code: str, monthly: Decimal) -> CountryPrice:
    usual = phonenumbers.example_number(code)
    e164 = phonenumbers.format_number(usual, phonenumbers.PhoneNumberFormat.E164) if usual else "+"
    inbound, outbound = (_rate(direction, e164) for direction in TelephonyRate.Direction)
    return CountryPrice(country_name(code), monthly, inbound, outbound)


def _rate(direction: str, prefix: str) -> Decimal | None:
    try:
        return find_rate(direction, prefix, timezone.now())
    except Forbidden:
        return None
