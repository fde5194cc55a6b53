"""REST: searching, ordering, changing and releasing phone numbers."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.exchange import errors, inventory, regulation
from sandbox.exchange.errors import ApiError
from sandbox.exchange.http import data_response, filters, json_response, matches, paged, read_json, record_in
from sandbox.exchange.state import Record, State
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.telnyx import schemas
from sandbox.exchange.validation import validate
from sandbox.exchange.webhooks import now_text

# Only numbers from a recent search can be ordered (error 85000). An order completes after a moment.
SEARCH_VALID_SECONDS = 1800.0
ORDER_SECONDS = 0.15
MAX_SEARCH_RESULTS = 250
NUMBER_TYPES = ("local", "toll_free", "mobile", "national", "shared_cost")
SEARCH_FILTERS = (
    "country_code",
    "phone_number_type",
    "national_destination_code",
    "locality",
    "administrative_area",
    "phone_number.contains",
    "phone_number.starts_with",
    "phone_number.ends_with",
    "features",
    "limit",
    "best_effort",
    "quickship",
    "reservable",
    "exclude_held_numbers",
)
Announce = Callable[[str, Record], None]


class NumbersApi:
    """`announce(event_type, payload)` sends a webhook about an order."""

    def __init__(self, state: State, tasks: Tasks, announce: Announce) -> None:
        self._state = state
        self._tasks = tasks
        self._announce = announce
        self._shown: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/available_phone_numbers", self.search),
            web.post("/v2/number_orders", self.order),
            web.get("/v2/number_orders", self.list_orders),
            web.get("/v2/number_orders/{id}", self.get_order),
            web.get("/v2/phone_numbers", self.list_numbers),
            web.get("/v2/phone_numbers/{id}", self.get_number),
            web.patch("/v2/phone_numbers/{id}", self.update_number),
            web.delete("/v2/phone_numbers/{id}", self.release_number),
        ]

    # --- search -------------------------------------------------------------------------------------------------------

    async def search(self, request: web.Request) -> web.Response:
        found = inventory.search(_query(filters(request, SEARCH_FILTERS)), self._state.taken_numbers)
        until = asyncio.get_running_loop().time() + SEARCH_VALID_SECONDS
        self._shown.update((number, until) for number, _ in found)
        rows = [_available(number, block) for number, block in found]
        meta = {"total_results": len(rows), "best_effort_results": 0}
        return json_response({"data": rows, "meta": meta, "metadata": meta})

    # --- orders -------------------------------------------------------------------------------------------------------

    async def order(self, request: web.Request) -> web.Response:
        body = validate(await read_json(request), schemas.NUMBER_ORDER)
        for index, wanted in enumerate(body["phone_numbers"]):
            self._require_free(wanted["phone_number"], f"/phone_numbers/{index}/phone_number")
        lines = [self._order_line(wanted) for wanted in body["phone_numbers"]]
        order: Record = {
            "id": str(uuid.uuid4()),
            "record_type": "number_order",
            "phone_numbers": lines,
            "phone_numbers_count": len(lines),
            "connection_id": body.get("connection_id") or "",
            "messaging_profile_id": body.get("messaging_profile_id") or "",
            "billing_group_id": body.get("billing_group_id") or "",
            "customer_reference": body.get("customer_reference") or "",
            "requirements_met": all(line["requirements_met"] for line in lines),
            "sub_number_orders_ids": [str(uuid.uuid4())],
            "status": "pending",
            "created_at": now_text(),
            "updated_at": now_text(),
        }
        self._state.orders[order["id"]] = order
        self._state.save()
        response = data_response(order)
        self.continue_orders()
        return response

    def continue_orders(self) -> None:
        """Complete pending orders whose requirements are met, also those from before a restart."""
        for order in self._state.orders.values():
            if order["status"] == "pending":
                for line in order["phone_numbers"]:
                    line["requirements_met"] = self._requirements_met(line)
                order["requirements_met"] = all(line["requirements_met"] for line in order["phone_numbers"])
                if order["requirements_met"]:
                    self._tasks.start(self._complete(order), "number order")

    async def _complete(self, order: Record) -> None:
        await asyncio.sleep(ORDER_SECONDS)
        if order["status"] != "pending":
            return
        order |= {"status": "success", "updated_at": now_text()}
        for line in order["phone_numbers"]:
            line |= {"status": "success", "requirements_status": "approved"}
            self._state.phone_numbers[line["phone_number"]] = phone_number(
                self._state.next_id(),
                line["phone_number"],
                kind=line["phone_number_type"],
                country=line["country_iso_alpha2"],
                connection_id=order["connection_id"],
                customer_reference=order["customer_reference"],
            )
        self._state.save()
        self._announce("number_order.complete", order)

    def _require_free(self, number: str, pointer: str) -> None:
        ordered = {
            line["phone_number"]
            for order in self._state.orders.values()
            if order["status"] == "pending"
            for line in order["phone_numbers"]
        }
        if number in self._state.taken_numbers or number in ordered:
            raise ApiError(422, "85001", "Number unavailable", "The number is no longer available.", pointer)
        if self._shown.get(number, 0.0) < asyncio.get_running_loop().time():
            raise ApiError(422, "85000", "Number not found", "The number must be found by a search first.", pointer)

    def _order_line(self, wanted: Record) -> Record:
        number = wanted["phone_number"]
        block = inventory.block_of(number)
        if block is None:
            raise ApiError(422, "85000", "Number not found", "The number is not in the inventory.")
        line: Record = {
            "id": str(uuid.uuid4()),
            "record_type": "number_order_phone_number",
            "phone_number": number,
            "phone_number_type": block.kind,
            "country_code": block.country,
            "country_iso_alpha2": block.country,
            "regulatory_requirements": [
                {
                    "record_type": "phone_number_regulatory_requirement",
                    "requirement_id": each.id,
                    "field_type": each.kind,
                }
                for each in regulation.requirements_of(block.country, block.kind)
            ],
            "status": "pending",
        }
        if wanted.get("requirement_group_id"):
            line["requirement_group_id"] = wanted["requirement_group_id"]
        line["requirements_met"] = self._requirements_met(line)
        line["requirements_status"] = "approved" if line["requirements_met"] else "requirement-info-pending"
        return line

    def _requirements_met(self, line: Record) -> bool:
        if not line["regulatory_requirements"]:
            return True
        group = self._state.requirement_groups.get(line.get("requirement_group_id", ""))
        return (
            group is not None
            and group["status"] == "approved"
            and group["country_code"] == line["country_code"]
            and group["phone_number_type"] == line["phone_number_type"]
        )

    async def list_orders(self, request: web.Request) -> web.Response:
        wanted = filters(request, ("customer_reference", "status", "requirements_met"))
        rows = [order for order in self._state.orders.values() if matches(order, wanted)]
        return paged(request, rows[::-1])

    async def get_order(self, request: web.Request) -> web.Response:
        return data_response(record_in(self._state.orders, request, "number order"))

    # --- numbers of the account ---------------------------------------------------------------------------------------

    async def list_numbers(self, request: web.Request) -> web.Response:
        wanted = filters(
            request, ("phone_number", "status", "connection_id", "customer_reference", "country_iso_alpha2")
        )
        return paged(request, [row for row in self._state.phone_numbers.values() if matches(row, wanted)])

    async def get_number(self, request: web.Request) -> web.Response:
        return data_response(self._number(request))

    async def update_number(self, request: web.Request) -> web.Response:
        number = self._number(request)
        number |= validate(await read_json(request), schemas.PHONE_NUMBER_UPDATE) | {"id": number["id"]}
        number["updated_at"] = now_text()
        self._state.save()
        return data_response(number)

    async def release_number(self, request: web.Request) -> web.Response:
        number = self._number(request)
        del self._state.phone_numbers[number["phone_number"]]
        self._state.save()
        return data_response({key: value for key, value in number.items() if value is not None} | {"status": "deleted"})

    def _number(self, request: web.Request) -> Record:
        wanted = request.match_info["id"]
        for number in self._state.phone_numbers.values():
            if wanted in {number["id"], number["phone_number"]}:
                return number
        raise errors.not_found("phone number")


def phone_number(
    pk: str, number: str, *, kind: str, country: str, connection_id: str, customer_reference: str = ""
) -> Record:
    """The API's record of a number that the account owns."""
    now = now_text()
    return {
        "id": pk,
        "record_type": "phone_number",
        "phone_number": number,
        "phone_number_type": kind,
        "country_iso_alpha2": country,
        "status": "active",
        "connection_id": connection_id or None,
        "connection_name": None,
        "customer_reference": customer_reference or None,
        "tags": [],
        "external_pin": None,
        "deletion_lock_enabled": False,
        "purchased_at": now,
        "created_at": now,
        "updated_at": now,
    }


def _query(given: dict[str, str]) -> inventory.Query:
    """The query for a request's filters. Raises ApiError."""
    if not given.get("country_code"):
        raise errors.missing("filter[country_code]")
    kind = given.get("phone_number_type", "")
    if kind and kind not in NUMBER_TYPES:
        raise errors.invalid("filter[phone_number_type]", f"The value must be one of {', '.join(NUMBER_TYPES)}.")
    limit = given.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_SEARCH_RESULTS:
        raise errors.invalid("filter[limit]", f"The value must be from 1 to {MAX_SEARCH_RESULTS}.")
    return inventory.Query(
        country_code=given["country_code"],
        phone_number_type=kind,
        national_destination_code=given.get("national_destination_code", ""),
        locality=given.get("locality", ""),
        administrative_area=given.get("administrative_area", ""),
        contains=given.get("phone_number.contains", ""),
        starts_with=given.get("phone_number.starts_with", ""),
        ends_with=given.get("phone_number.ends_with", ""),
        features=tuple(filter(None, given.get("features", "").split(","))),
        limit=int(limit),
    )


def _available(number: str, block: inventory.Block) -> dict[str, Any]:
    """A search result."""
    regions = (("rate_center", block.city), ("state", block.region), ("country_code", block.country))
    return {
        "record_type": "available_phone_number",
        "phone_number": number,
        "features": [{"name": name} for name in block.features],
        "cost_information": {
            "upfront_cost": block.upfront_cost,
            "monthly_cost": block.monthly_cost,
            "currency": "USD",
        },
        "region_information": [{"region_type": kind, "region_name": name} for kind, name in regions if name],
        "best_effort": False,
        "quickship": True,
        "reservable": True,
        "vanity_format": "",
    }
