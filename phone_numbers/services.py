"""Finding, buying and releasing numbers."""

import logging

import phonenumbers
from django.db import transaction
from django.utils import timezone

from accounts.models import Developer
from billing import ledger
from bubblyphone.core.api.views import format_time
from bubblyphone.core.errors import Conflict, InvalidRequest, NotFound, UpstreamFailed
from bubblyphone.core.money import ZERO
from phone_numbers import abilities, configuration, imports
from phone_numbers.carriers.base import AvailableNumber, CarrierError, NumberSearch
from phone_numbers.carriers.registry import account_id_of, default_carrier
from phone_numbers.charging import purchases
from phone_numbers.models import CallMode, NumberPrice, PhoneNumber, Verification
from phone_numbers.selectors import find_main_price, get_price
from phone_numbers.verification import submissions
from webhooks import outbox
from webhooks.models import Event
from webhooks.sending import signing

logger = logging.getLogger(__name__)


def search_available(
    *,
    country: str,
    number_type: str = "",
    area_code: str = "",
    locality: str = "",
    contains: str = "",
    limit: int = 50,
    carrier: str = "",
) -> tuple[list[AvailableNumber], NumberPrice]:
    """Numbers for sale at the carrier, all of one type, and the price of that type.

    By default the country's local numbers at the default carrier. Raises InvalidRequest, UpstreamFailed.
    """
    price = get_price(country=country, number_type=number_type) if number_type else find_main_price(country=country)
    try:
        search = NumberSearch(
            country=country,
            number_type=price.number_type,
            area_code=area_code,
            locality=locality,
            contains=contains,
            limit=limit,
        )
        found = abilities.inventory_of(carrier or default_carrier()).search_numbers(search)
    except CarrierError as error:
        raise UpstreamFailed(f"The carrier could not search for numbers: {error}") from error
    return found[:limit], _price(carrier, price)


def _price(carrier: str, price: NumberPrice) -> NumberPrice:
    """Our price, or zero if the developer's own carrier account pays."""
    if account_id_of(carrier) is None:
        return price
    free = {"setup_cost": ZERO, "monthly_cost": ZERO}
    return NumberPrice(country_code=price.country_code, number_type=price.number_type, **free)


def buy_number(
    *,
    developer: Developer,
    phone_number: str,
    country_code: str = "US",
    number_type: str = "local",
    label: str = "",
    webhook_url: str = "",
    agent_id: int | None = None,
    carrier: str = "",
) -> PhoneNumber:
    """Buy a number that a search has shown; setup fee and first month are taken from the balance. With an agent, that answers it.

    Raises InvalidRequest, Forbidden (not verified for the country), InsufficientFunds, Conflict (not available), UpstreamFailed. After any
    of them nothing has been charged. If the carrier's outcome is unknown, `purchases` settles it later.
    """
    carrier = carrier or default_carrier()
    price = _price(carrier, get_price(country=country_code, number_type=number_type))
    national_number = _national_number(phone_number, country_code)
    _check_webhook_url(webhook_url, carrier)
    agent = configuration.answering_agent(developer=developer, agent_id=agent_id) if agent_id else None
    verified = _approval(developer, country_code, number_type, carrier)
    # Checked before the carrier is contacted; the binding check happens later, under lock.
    ledger.require_balance(developer.pk, price.setup_cost + price.monthly_cost)
    purchases.refuse_if_taken(phone_number)
    _require_offer(
        phone_number, country=country_code, number_type=number_type, contains=national_number, carrier=carrier
    )
    # Documents before money: if they are refused, nothing has been charged yet.
    requirement_group_id = submissions.requirement_group_of(verified) if verified else ""
    purchase = purchases.begin(
        developer=developer,
        phone_number=phone_number,
        price=price,
        carrier=carrier,
        label=label,
        webhook_url=webhook_url,
        agent=agent,
    )
    return purchases.carry_out(purchase, requirement_group_id=requirement_group_id)


def _check_webhook_url(webhook_url: str, carrier: str) -> None:
    if webhook_url and (lacks := abilities.call_problems(carrier, mode=CallMode.WEBHOOK, is_recorded=False)):
        raise InvalidRequest({"webhook_url": lacks["mode"]})


def _approval(developer: Developer, country_code: str, number_type: str, carrier: str) -> Verification | None:
    """The verification that allows the purchase; None if the developer's own carrier account checks identities. Raises Forbidden."""
    if account_id_of(carrier) is not None:
        return None
    return submissions.require_approval(
        developer=developer, country=country_code, number_type=number_type, carrier=carrier
    )


def _require_offer(phone_number: str, *, country: str, number_type: str, contains: str, carrier: str) -> None:
    offered, _ = search_available(country=country, number_type=number_type, contains=contains, carrier=carrier)
    if phone_number not in {number.phone_number for number in offered}:
        raise Conflict(f"{phone_number} is not available as a {number_type} number of {country}.")


def rotate_webhook_secret(*, number: PhoneNumber) -> str:
    """A new secret, to be shown once. The old one also signs for 24 h."""
    return signing.rotate_signing_secret(secret_id=number.signing_secret_id)


def send_test_webhook(*, number: PhoneNumber) -> Event:
    """Send a `webhook.test` to the number's webhook URL. Raises Conflict if there is none."""
    if not number.webhook_url:
        raise Conflict("This number has no webhook URL yet. Save one first.")
    return outbox.publish(
        developer_id=number.developer_id,
        subject=f"number:{number.pk}",
        event_type="webhook.test",
        to=[outbox.Address(number.webhook_url, number.signing_secret_id)],
        endpoints=[],
        payload={
            "event": "webhook.test",
            "phone_number_id": str(number.pk),
            "phone_number": number.e164,
            "timestamp": format_time(timezone.now()),
        },
    )


def release_number(*, number: PhoneNumber, is_last_day: bool = False) -> None:
    """Give a number back for good; an imported one stays at its carrier, which routes it as before.

    On the last day of an account here, a carrier account whose credentials do not work any more keeps no number.
    Raises Conflict while calls run on it, NotFound, UpstreamFailed (then it is kept).
    """
    _lock_idle(number)
    try:
        imports.give_back(number)
    except CarrierError as error:
        if not (number.is_billed_by_its_carrier and error.reason == "unauthorized"):
            raise UpstreamFailed(f"The carrier could not release the number: {error}") from error
        if not is_last_day:
            raise UpstreamFailed(
                "The carrier does not accept the credentials of this number's carrier account. Replace them, then release the number again."
            ) from error
        logger.warning("A number was released without its carrier's confirmation", extra={"phone_number_id": number.pk})
    with transaction.atomic():
        numbers = PhoneNumber.objects.unreleased().select_for_update(of=("self",))
        if (fresh := numbers.filter(pk=number.pk).first()) is not None:
            fresh.release(timezone.now())


@transaction.atomic
def _lock_idle(number: PhoneNumber) -> None:
    locked = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number.pk)
    if locked.status == PhoneNumber.Status.RELEASED:
        raise NotFound("Not found.")
    if locked.calls.filter(ended_at=None).exists():
        raise Conflict("This number has running calls. End them first.")


def _national_number(phone_number: str, country_code: str) -> str:
    """The number without its country code. Raises InvalidRequest if it belongs to another country."""
    parsed = phonenumbers.parse(phone_number)
    if parsed.country_code != phonenumbers.country_code_for_region(country_code):
        raise InvalidRequest({"country_code": [f"{phone_number} is not a number in {country_code}."]})
    return phonenumbers.national_significant_number(parsed)
