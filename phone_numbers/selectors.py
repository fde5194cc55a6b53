"""Reading numbers and their prices."""

from django.db.models import QuerySet

from accounts.models import Developer
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from phone_numbers.models import NumberPrice, NumberType, PhoneNumber
from webhooks.number_addresses import NumberAddresses


def numbers_of(developer: Developer) -> QuerySet[PhoneNumber]:
    """A developer's numbers, without released ones."""
    numbers = PhoneNumber.objects.held().filter(developer=developer)
    return numbers.select_related("agent", "agent_version")


def webhook_addresses(developer: Developer) -> list[NumberAddresses]:
    """The webhook URLs of each number, newest first."""
    return [
        NumberAddresses(number.pk, number.e164, number.label, number.webhook_url or "", number.tool_webhook_url or "")
        for number in numbers_of(developer).order_by("-pk")
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
