"""Numbers and documents, with Telnyx's SDK as the client."""

import asyncio
import base64
import json

import phonenumbers
import pytest
from telnyx import APIStatusError

from sandbox.exchange import inventory
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED

pytestmark = pytest.mark.virtual_time


def error_of(error: APIStatusError) -> tuple[int, str, str]:
    entry = error.body["errors"][0]
    return error.status_code, entry["code"], entry["source"].get("pointer") or entry["source"]["parameter"]


async def search(telnyx, **filters) -> list[str]:
    page = await telnyx.available_phone_numbers.list(filter=filters)
    return [row.phone_number for row in page.data]


async def completed(telnyx, order):
    """Wait until the order is no longer pending, and return it."""
    for _ in range(50):
        now = (await telnyx.number_orders.retrieve(order.data.id)).data
        if now.status != "pending":
            return now
        await asyncio.sleep(0.02)
    raise AssertionError("still pending")


async def test_a_search_finds_numbers_of_an_area(telnyx):
    page = await telnyx.available_phone_numbers.list(
        filter={"country_code": "US", "national_destination_code": "415", "limit": 3}
    )
    # The first one is owned already.
    assert [row.phone_number for row in page.data] == ["+14155550101", "+14155550102", "+14155550103"]
    row = page.data[0]
    assert [feature.name for feature in row.features] == ["voice", "sms", "mms", "fax"]
    assert [(region.region_type, region.region_name) for region in row.region_information] == [
        ("rate_center", "SAN FRANCISCO"),
        ("state", "CA"),
        ("country_code", "US"),
    ]
    assert (row.cost_information.upfront_cost, row.cost_information.currency) == ("1.00000", "USD")


@pytest.mark.parametrize(
    ("filters", "first"),
    [
        ({"country_code": "GB"}, "+442079460000"),
        ({"country_code": "GB", "phone_number_type": "mobile"}, "+447700900000"),
        ({"country_code": "US", "phone_number_type": "toll_free"}, "+18335550100"),
        ({"country_code": "DE", "locality": "Berlin"}, "+493023125000"),
        ({"country_code": "FR", "administrative_area": "Brittany"}, "+33261910000"),
        ({"country_code": "US", "phone_number": {"ends_with": "77"}, "features": ["voice", "fax"]}, "+14155550177"),
        (
            {"country_code": "US", "national_destination_code": "415", "phone_number": {"contains": "15"}},
            "+14155550115",
        ),
    ],
)
async def test_filters(telnyx, filters, first):
    assert (await search(telnyx, **filters))[0] == first


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({}, "filter[country_code]"),
        ({"filter[country_code]": "US", "filter[phone_number_type]": "landline"}, "filter[phone_number_type]"),
        ({"filter[country_code]": "US", "filter[limit]": "0"}, "filter[limit]"),
        ({"filter[country_code]": "US", "filter[color]": "red"}, "filter[color]"),
    ],
)
async def test_invalid_searches(telnyx, query, parameter):
    with pytest.raises(APIStatusError) as error:
        await telnyx.get("/available_phone_numbers", options={"params": query}, cast_to=object)
    status, _, where = error_of(error.value)
    assert (status, where) == (422, parameter)


def test_the_inventory_is_possible_and_fictitious():
    seen: set[str] = set()
    for block in inventory.BLOCKS:
        for number in block.numbers():
            assert number not in seen
            seen.add(number)
        assert phonenumbers.is_possible_number(phonenumbers.parse(number))
        assert inventory.block_of(number) is block
    assert len(seen) > 20_000
    assert {block.country for block in inventory.BLOCKS} == {"US", "CA", "GB", "DE", "FR", "AU", "IE", "SE"}
    assert inventory.block_of("+14155551234") is None


async def test_order_use_and_release(exchange: Exchange, platform, telnyx):
    number = (await search(telnyx, country_code="US", national_destination_code="212"))[0]
    order = await telnyx.number_orders.create(
        phone_numbers=[{"phone_number": number}], connection_id="exchange", customer_reference="purchase-81"
    )
    assert (order.data.status, order.data.requirements_met) == ("pending", True)
    done = await completed(telnyx, order)
    assert (done.status, done.phone_numbers[0].status) == ("success", "success")
    assert (await platform.event("number_order.complete"))["id"] == done.id
    found = await telnyx.number_orders.list(filter={"customer_reference": "purchase-81"})
    assert [each.id for each in found.data] == [done.id]

    owned = (await telnyx.phone_numbers.list(filter={"phone_number": number})).data
    assert [(each.phone_number, each.status, each.connection_id) for each in owned] == [(number, "active", "exchange")]
    changed = await telnyx.phone_numbers.update(owned[0].id, tags=["support"])
    assert changed.data.tags == ["support"]
    assert number not in await search(telnyx, country_code="US", national_destination_code="212")

    caller = exchange.handset("+12025550123")
    assert (await exchange.call(caller, number)).to_number == number
    caller.hang_up()

    released = await telnyx.phone_numbers.delete(owned[0].id)
    assert released.data.status == "deleted"
    assert (await telnyx.phone_numbers.list(filter={"phone_number": number})).data == []
    assert await exchange.call(exchange.handset("+12025550124"), number) is None
    with pytest.raises(APIStatusError) as error:
        await telnyx.phone_numbers.delete(owned[0].id)
    assert error.value.status_code == 404


async def test_refused_orders(telnyx):
    for number, code in ((OWNED, "85001"), ("+14155550142", "85000"), ("+14155551234", "85000")):
        with pytest.raises(APIStatusError) as error:
            await telnyx.number_orders.create(phone_numbers=[{"phone_number": number}])
        assert error_of(error.value) == (422, code, "/phone_numbers/0/phone_number")
    number = (await search(telnyx, country_code="US", national_destination_code="212"))[0]
    await telnyx.number_orders.create(phone_numbers=[{"phone_number": number}])
    with pytest.raises(APIStatusError) as error:
        await telnyx.number_orders.create(phone_numbers=[{"phone_number": number}])
    assert error_of(error.value)[1] == "85001"


async def test_a_number_without_connection_does_not_ring(exchange: Exchange, telnyx):
    number = (await search(telnyx, country_code="US", national_destination_code="212"))[0]
    await completed(telnyx, await telnyx.number_orders.create(phone_numbers=[{"phone_number": number}]))
    assert await exchange.call(exchange.handset("+12025550123"), number) is None
    row = (await telnyx.phone_numbers.list(filter={"phone_number": number})).data[0]
    await telnyx.phone_numbers.update(row.id, connection_id="exchange")
    assert await exchange.call(exchange.handset("+12025550123"), number) is not None


async def test_requirements(telnyx):
    rows = await telnyx.requirements.list(
        filter={"country_code": "GB", "phone_number_type": "local", "action": "ordering"}
    )
    kinds = rows.data[0].requirement_types
    assert [(kind.name, kind.type, kind.acceptance_criteria.time_limit) for kind in kinds] == [
        ("Contact Info", "textual", None),
        ("Proof of Address (Local)", "document", "Less than 3 months old"),
    ]
    none = await telnyx.requirements.list(filter={"country_code": "US", "phone_number_type": "local"})
    assert none.data == []


async def test_a_regulated_number_waits_for_its_documents(exchange: Exchange, telnyx):
    number = (await search(telnyx, country_code="GB", phone_number_type="local"))[0]
    group = await telnyx.requirement_groups.create(
        country_code="GB", phone_number_type="local", action="ordering", customer_reference="dev-7-GB-local"
    )
    assert group.status == "unapproved"
    order = await telnyx.number_orders.create(
        phone_numbers=[{"phone_number": number, "requirement_group_id": group.id}], connection_id="exchange"
    )
    assert order.data.requirements_met is False
    assert order.data.phone_numbers[0].requirements_status == "requirement-info-pending"
    with pytest.raises(APIStatusError) as error:
        await telnyx.requirement_groups.submit_for_approval(group.id)
    assert error_of(error.value) == (422, "10015", "/regulatory_requirements")

    file = base64.b64encode(b"%PDF-1.4 a bill").decode()
    document = await telnyx.documents.upload_json(document={"file": file, "filename": "bill.pdf"})
    assert document.data.size.amount == 15
    values = {"textual": "Ada Lovelace, +442079460958", "document": document.data.id}
    await telnyx.requirement_groups.update(
        group.id,
        regulatory_requirements=[
            {"requirement_id": each.requirement_id, "field_value": values[each.field_type]}
            for each in group.regulatory_requirements
        ],
    )
    submitted = await telnyx.requirement_groups.submit_for_approval(group.id)
    assert submitted.status == "pending-approval"
    assert (await completed(telnyx, order)).status == "success"
    assert (await telnyx.requirement_groups.retrieve(group.id)).status == "approved"


async def test_orders_survive_a_restart(tmp_path, telnyx):
    path = tmp_path / "data" / "exchange.json"
    async with Exchange(state_path=path) as first:
        first.own(OWNED)
    async with Exchange(state_path=path) as second:
        assert second.state.connection_of(OWNED) == "exchange"
        assert second.state.next_id() == "1293384261075731002"


async def test_a_state_file_from_before_a_table_existed_is_read(tmp_path):
    path = tmp_path / "exchange.json"
    async with Exchange(state_path=path) as first:
        first.own(OWNED)
    stored = json.loads(path.read_text())
    del stored["incoming_phone_numbers"]
    path.write_text(json.dumps(stored))
    async with Exchange(state_path=path) as second:
        assert (second.state.taken_numbers, second.state.incoming_phone_numbers) == ({OWNED}, {})
