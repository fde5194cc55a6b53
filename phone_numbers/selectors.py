"""Reading numbers and their prices."""

import re

from django.db.models import Q, QuerySet

from accounts.models import Developer
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from phone_numbers.models import NumberPrice, NumberType, PhoneNumber
from webhooks.extension_points import NumberAddresses

_NEVER_IN_NUMBERS = re.compile(r"[^\d\s()+./-]")
_NOT_DIGITS = re.compile(r"\D+")


def numbers_of(developer: Developer) -> QuerySet[PhoneNumber]:
    """A developer's numbers, without released ones."""
    numbers = PhoneNumber.objects.unreleased().filter(developer=developer)
    return numbers.select_related("agent", "agent_version")


def matches_label_or_digits(text: str) -> Q:
    """Numbers whose label contains the text, or which contain its digits, in any notation."""
    digits = digits_of(text)
    return Q(label__icontains=text) | (Q(e164__contains=digits) if len(digits) > 1 else Q())


def digits_of(text: str) -> str:
    """The digits of a phone number in any notation, without the leading zero of national notation; "" for other texts."""
    return "" if _NEVER_IN_NUMBERS.search(text) else _NOT_DIGITS.sub("", text).lstrip("0")


def webhook_addresses(developer: Developer, most: int) -> list[NumberAddresses]:
    """The webhook URLs of the newest `most` numbers, newest first."""
    columns = numbers_of(developer).values_list("pk", "e164", "label", "webhook_url", "tool_webhook_url")
    return [
        NumberAddresses(pk, e164, label, webhook_url, tool_webhook_url or "")
        for pk, e164, label, webhook_url, tool_webhook_url in columns.order_by("-pk")[:most]
    ]


def get_number(*, developer: Developer, pk: int) -> PhoneNumber:
    """Raises NotFound, also for a number of another account."""
    return get_row(numbers_of(developer), pk=pk)


def list_prices(*, country: str = "", number_type: str = "") -> QuerySet[NumberPrice]:
    """The price list, or the requested part of it."""
    wanted = {"country_code": country, "number_type": number_type}
    return NumberPrice.objects.filter(**{name: value for name, value in wanted.items() if value})


def get_price(*, country: str, number_type: str) -> NumberPrice:
    """Raises InvalidRequest if it is not sold."""
    price = NumberPrice.objects.filter(country_code=country, number_type=number_type).first()
    if price is None:
        raise InvalidRequest({"number_type": [f"No {number_type} numbers are for sale in {country}."]})
    return price


def find_main_price(*, country: str) -> NumberPrice:
    """The price of a country's local numbers or, if there are none, of its cheapest type. Raises InvalidRequest."""
    prices = list_prices(country=country).order_by("monthly_cost", "number_type")
    price = prices.filter(number_type=NumberType.LOCAL).first() or prices.first()
    if price is None:
        raise InvalidRequest({"country": [f"No numbers are for sale in {country}."]})
    return price
