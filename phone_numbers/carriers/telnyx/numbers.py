"""Numbers: https://developers.telnyx.com/api-reference/phone-number-orders/create-a-number-order

A purchase is found again by its reference, the order's `customer_reference`.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import phonenumbers
from phonenumbers import PhoneNumberType

from phone_numbers.carriers.base import AvailableNumber, CarrierError, NumberOrder, NumberSearch
from phone_numbers.carriers.capabilities import NumberInventory
from phone_numbers.carriers.telnyx.account import TelnyxAccount, rows_of
from phone_numbers.carriers.telnyx.client import TelnyxError

# Orders are "pending" until they have one of these statuses.
ORDER_OUTCOMES = {"success": "success", "failure": "failure", "cancelled": "failure", "deleted": "failure"}
TYPES_OF_NUMBERS = {
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.UAN: "national",
    PhoneNumberType.VOIP: "national",
}


class TelnyxNumbers(NumberInventory):
    """Numbers for an account."""

    account: TelnyxAccount

    def search_numbers(self, search: NumberSearch) -> list[AvailableNumber]:
        wanted: dict[str, str | int] = {
            "filter[country_code]": search.country,
            "filter[phone_number_type]": search.number_type,
            "filter[national_destination_code]": search.area_code,
            "filter[locality]": search.locality,
            "filter[phone_number][contains]": search.contains,
            "filter[limit]": search.limit,
        }
        rows = self.account.client.get(
            "available_phone_numbers", {name: value for name, value in wanted.items() if value}
        )
        return [_available_number(row, search.number_type) for row in rows_of(rows)]

    def order_number(self, *, e164: str, reference: str, requirement_group_id: str = "") -> NumberOrder:
        number = {"phone_number": e164}
        if requirement_group_id:
            number["requirement_group_id"] = requirement_group_id
        body = {
            "phone_numbers": [number],
            "connection_id": self.account.connection_id,
            "customer_reference": reference,
        }
        return _order(self.account.client.post("number_orders", body))

    def find_order(self, *, reference: str) -> NumberOrder | None:
        rows = rows_of(self.account.client.get("number_orders", {"filter[customer_reference]": reference}))
        return _order(rows[0]) if rows else None

    def find_owned_number(self, *, e164: str) -> str | None:
        rows = rows_of(self.account.client.get("phone_numbers", {"filter[phone_number]": e164}))
        return next((str(row["id"]) for row in rows if row.get("phone_number") == e164 and row.get("id")), None)

    def release_number(self, *, carrier_ref: str) -> None:
        try:
            self.account.client.delete(f"phone_numbers/{quote(carrier_ref, safe='')}")
        except TelnyxError as error:
            if error.status != 404:
                raise

    def routing_of(self, *, carrier_ref: str) -> str:
        """The id of the number's Call Control application; empty without one."""
        return str(self.account.client.get(_number_path(carrier_ref)).get("connection_id") or "")

    def route_here(self, *, carrier_ref: str) -> None:
        if not self.account.public_key:
            text = "Calls could not be verified without the account's public_key. Add it to the account."
            raise CarrierError(text, reason="incomplete")
        self.account.client.patch(_number_path(carrier_ref), {"connection_id": self.account.connection_id})

    def restore_routing(self, *, carrier_ref: str, routing: str) -> None:
        try:
            self.account.client.patch(_number_path(carrier_ref), {"connection_id": routing})
        except TelnyxError as error:
            if error.status != 404:
                raise


def _number_path(carrier_ref: str) -> str:
    return f"phone_numbers/{quote(carrier_ref, safe='')}"


def _order(data: Any) -> NumberOrder:
    if not isinstance(data, dict) or not data.get("id"):
        raise CarrierError("The carrier's response is not an order.", reason="outcome_unknown")
    return NumberOrder(str(data["id"]), ORDER_OUTCOMES.get(str(data.get("status")), "pending"))


def _available_number(row: Mapping[str, Any], asked_type: str) -> AvailableNumber:
    number = str(row.get("phone_number", ""))
    cost = row.get("cost_information") or {}
    return AvailableNumber(
        phone_number=number,
        # Telnyx does not return the type: use the requested one, or the type that the number looks like.
        phone_number_type=str(row.get("phone_number_type") or asked_type or _looks_like(number)),
        features=[{"name": str(feature["name"])} for feature in row.get("features") or []],
        cost_information={
            "upfront_cost": str(cost.get("upfront_cost", "")),
            "monthly_cost": str(cost.get("monthly_cost", "")),
            "currency": str(cost.get("currency", "USD")),
        },
        region_information=[
            {"region_type": str(region["region_type"]), "region_name": str(region["region_name"])}
            for region in row.get("region_information") or []
        ],
    )


def _looks_like(number: str) -> str:
    try:
        return TYPES_OF_NUMBERS.get(phonenumbers.number_type(phonenumbers.parse(number)), "local")
    except phonenumbers.NumberParseException:
        return "local"
