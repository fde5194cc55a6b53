"""Importing numbers that a developer already has at a carrier: routing their calls here, and back.

The number is stored with its former routing before that is changed, so if this process dies in between, deleting the number restores the
routing.
"""

from collections.abc import Mapping
from typing import Any

import phonenumbers
from django.db import IntegrityError, transaction
from phonenumbers import PhoneNumberType

from accounts.models import Developer
from billing import billing_switch
from bubblyphone.core.errors import Conflict, InvalidRequest, UpstreamFailed
from bubblyphone.core.money import ZERO
from phone_numbers import abilities, carrier_accounts, configuration
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import NumberInventory
from phone_numbers.carriers.registry import get_carrier
from phone_numbers.charging import purchases
from phone_numbers.models import CallMode, NumberType, PhoneNumber
from webhooks.sending.signing import make_signing_secret

TYPES = {PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE, PhoneNumberType.MOBILE: NumberType.MOBILE}


def import_number(
    *,
    developer: Developer,
    phone_number: str,
    carrier: str = "",
    carrier_account_id: int | None = None,
    configuration_fields: Mapping[str, Any] | None = None,
) -> PhoneNumber:
    """Route a number that the developer has at a carrier to this installation.

    Raises InvalidRequest (not the account's number, or an invalid configuration), Conflict (already imported), NotFound (not the
    developer's carrier account), UpstreamFailed. After an error nothing has changed, here or there.
    """
    if carrier_account_id is None and billing_switch.is_on():
        raise InvalidRequest({"carrier_account_id": ["This field is required."]})
    key = carrier_accounts.carrier_key(developer=developer, carrier=carrier, carrier_account_id=carrier_account_id)
    purchases.refuse_if_taken(phone_number)
    try:
        inventory = abilities.inventory_of(key)
        carrier_ref = inventory.find_owned_number(e164=phone_number)
        routing = inventory.routing_of(carrier_ref=carrier_ref) if carrier_ref else ""
    except CarrierError as error:
        raise UpstreamFailed(f"The carrier could not look the number up: {error}") from error
    if carrier_ref is None:
        raise InvalidRequest({"phone_number": ["The carrier account does not own this number."]})
    number = _write_down(developer, phone_number, key, carrier_ref, routing, configuration_fields or {})
    try:
        inventory.route_here(carrier_ref=carrier_ref)
    except CarrierError as error:
        if error.reason == "outcome_unknown":
            raise UpstreamFailed(
                "The carrier has not confirmed the routing. Delete the number and import it again."
            ) from error
        _forget(number)
        if error.reason == "incomplete":
            raise InvalidRequest({"carrier_account_id": [str(error)]}) from error
        raise UpstreamFailed(f"The carrier could not route the number here: {error}") from error
    return number


def give_back(number: PhoneNumber) -> None:
    """Release a number at its carrier; an imported one stays there with its former routing.

    Raises CarrierError: "unauthorized" if the developer's own carrier account first needs new credentials.
    """
    inventory = get_carrier(number, NumberInventory)
    if number.source == PhoneNumber.Source.IMPORTED:
        inventory.restore_routing(carrier_ref=number.carrier_ref, routing=number.previous_routing)
        return
    carrier_ref = number.carrier_ref or inventory.find_owned_number(e164=number.e164)
    if carrier_ref:
        inventory.release_number(carrier_ref=carrier_ref)


@transaction.atomic
def _forget(number: PhoneNumber) -> None:
    """The import failed: delete the row."""
    number.delete()
    number.signing_secret.delete()


@transaction.atomic
def _write_down(
    developer: Developer, phone_number: str, key: str, carrier_ref: str, routing: str, fields: Mapping[str, Any]
) -> PhoneNumber:
    """Store the number with its configuration, as PATCH would. Raises InvalidRequest and Conflict."""
    parsed = phonenumbers.parse(phone_number)
    secret, _ = make_signing_secret(developer=developer)
    try:
        with transaction.atomic():
            carrier_accounts.hold(key)
            number = PhoneNumber.objects.create(
                developer=developer,
                carrier=key,
                e164=phone_number,
                country_code=phonenumbers.region_code_for_number(parsed) or "",
                number_type=TYPES.get(phonenumbers.number_type(parsed), NumberType.LOCAL),
                mode=CallMode.WEBHOOK,
                signing_secret=secret,
                monthly_cost=ZERO,
                carrier_ref=carrier_ref,
                previous_routing=routing,
                source=PhoneNumber.Source.IMPORTED,
            )
    except IntegrityError as error:
        raise Conflict(f"{phone_number} is not available.", code="number_taken") from error
    if fields:
        number = configuration.update_number(number=number, changes=fields)
    if lacks := configuration.carrier_problems(number):
        raise InvalidRequest(lacks)
    return number
