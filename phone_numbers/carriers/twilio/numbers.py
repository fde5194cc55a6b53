"""Numbers: https://www.twilio.com/docs/phone-numbers/api

A purchase has no idempotency key; its reference is stored as the number's `FriendlyName`, by which the purchase is found again.
"""

import json
from typing import Any

from bubblyphone.core.json.documents import parse_stored_json
from phone_numbers.carriers.base import AvailableNumber, CarrierError, NumberOrder, NumberSearch
from phone_numbers.carriers.capabilities import NumberInventory
from phone_numbers.carriers.twilio.account import TwilioAccount
from phone_numbers.carriers.twilio.client import refusals, sid_of

# The fields that route a number's calls. We set them, and restore them when the number leaves.
ROUTING = (
    "voice_url", "voice_method", "voice_fallback_url", "voice_fallback_method", "voice_application_sid", "trunk_sid",
    "status_callback", "status_callback_method",
)  # fmt: skip
FEATURES = {"voice": "voice", "SMS": "sms", "sms": "sms", "MMS": "mms", "mms": "mms", "fax": "fax"}


class TwilioNumbers(NumberInventory):
    """Numbers for an account."""

    account: TwilioAccount

    def search_numbers(self, search: NumberSearch) -> list[AvailableNumber]:
        wanted: dict[str, Any] = {"contains": search.contains, "in_locality": search.locality}
        if search.area_code:
            # Twilio supports area codes only in North America.
            key = "area_code" if search.country in {"US", "CA"} else "contains"
            wanted[key] = search.area_code if key == "area_code" else search.contains or search.area_code
        offered = self.account.rest.available_phone_numbers(search.country)
        kinds = {"mobile": offered.mobile, "toll_free": offered.toll_free, "national": offered.national}
        rows: Any = kinds.get(search.number_type, offered.local)
        try:
            with refusals():
                found = rows.list(limit=search.limit, **{name: value for name, value in wanted.items() if value})
        except CarrierError as error:
            if error.reason == "call_ended":  # a 404: no numbers of this type in this country
                return []
            raise
        return [_available(row, search.number_type or "local") for row in found]

    def order_number(self, *, e164: str, reference: str, requirement_group_id: str = "") -> NumberOrder:
        with refusals():
            bought = self.account.rest.incoming_phone_numbers.create(
                phone_number=e164, friendly_name=reference, **self._routing_here()
            )
        return NumberOrder(sid_of(bought), "success")

    def find_order(self, *, reference: str) -> NumberOrder | None:
        with refusals():
            found = self.account.rest.incoming_phone_numbers.list(friendly_name=reference, limit=1)
        return NumberOrder(sid_of(found[0]), "success") if found else None

    def find_owned_number(self, *, e164: str) -> str | None:
        with refusals():
            found = self.account.rest.incoming_phone_numbers.list(phone_number=e164, limit=20)
        return next((sid_of(row) for row in found if row.phone_number == e164), None)

    def release_number(self, *, carrier_ref: str) -> None:
        self._unless_gone(lambda: self.account.rest.incoming_phone_numbers(carrier_ref).delete())

    def routing_of(self, *, carrier_ref: str) -> str:
        """The number's routing fields as JSON."""
        with refusals():
            row = self.account.rest.incoming_phone_numbers(carrier_ref).fetch()
            return json.dumps({name: str(getattr(row, name) or "") for name in ROUTING})

    def route_here(self, *, carrier_ref: str) -> None:
        """A trunk or an application takes precedence over a URL, so both are removed, as is the former fallback URL."""
        with refusals():
            self.account.rest.incoming_phone_numbers(carrier_ref).update(
                **self._routing_here(), voice_fallback_url="", voice_application_sid="", trunk_sid=""
            )

    def restore_routing(self, *, carrier_ref: str, routing: str) -> None:
        known = {name: value for name, value in parse_stored_json(routing or "{}").items() if name in ROUTING}
        before = {name: value for name, value in known.items() if value or not name.endswith("_method")}
        self._unless_gone(lambda: self.account.rest.incoming_phone_numbers(carrier_ref).update(**before))

    def _routing_here(self) -> dict[str, Any]:
        return {
            "voice_url": self.account.address("voice"),
            "voice_method": "POST",
            "status_callback": self.account.address("status"),
            "status_callback_method": "POST",
        }

    def _unless_gone(self, request: Any) -> None:
        try:
            with refusals():
                request()
        except CarrierError as error:
            if error.reason != "call_ended":  # a 404
                raise


def _available(row: Any, number_type: str) -> AvailableNumber:
    places = {"locality": row.locality, "region": row.region, "rate_center": row.rate_center}
    return AvailableNumber(
        phone_number=str(row.phone_number),
        phone_number_type=number_type,
        features=[{"name": FEATURES.get(name, name)} for name, has in (row.capabilities or {}).items() if has],
        # Twilio's price list is another API; our price of a number is in `NumberPrice`.
        cost_information={"upfront_cost": "", "monthly_cost": "", "currency": "USD"},
        region_information=[{"region_type": kind, "region_name": str(name)} for kind, name in places.items() if name],
    )
