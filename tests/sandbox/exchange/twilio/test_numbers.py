"""Numbers and the account, through Twilio's SDK."""

import pytest
from twilio.base.exceptions import TwilioRestException

from sandbox.exchange.state import State
from tests.sandbox.exchange.twilio.conftest import ACCOUNT_SID, CALLER, OTHER_SID, OWNED, Twilio
from tests.sandbox.exchange.twilio.test_calls import code_of

pytestmark = pytest.mark.virtual_time


async def test_an_account_can_be_fetched_with_its_credentials(twilio):
    account = await twilio(lambda client: client.api.accounts(ACCOUNT_SID).fetch())
    assert (account.sid, account.status) == (ACCOUNT_SID, "active")


async def test_a_number_is_searched_bought_called_and_released(exchange, platform, twilio):
    found = await twilio(
        lambda client: client.available_phone_numbers("US").local.list(area_code=212, contains="21255501*7", limit=3)
    )
    assert [each.phone_number for each in found] == ["+12125550107", "+12125550117", "+12125550127"]
    assert found[0].capabilities == {"voice": True, "SMS": True, "MMS": True, "fax": True}
    number = found[0].phone_number
    bought = await twilio(
        lambda client: client.incoming_phone_numbers.create(phone_number=number, friendly_name="Desk")
    )
    assert (bought.phone_number, bought.friendly_name, bought.voice_url) == (number, "Desk", "")
    with pytest.raises(TwilioRestException) as taken:
        await twilio(lambda client: client.incoming_phone_numbers.create(phone_number=number))
    assert code_of(taken) == (400, 21422)
    again = await twilio(lambda client: client.available_phone_numbers("US").local.list(contains=number, limit=3))
    assert again == []
    platform.documents["desk"] = "<Response><Reject/></Response>"
    await twilio(lambda client: client.incoming_phone_numbers(bought.sid).update(voice_url=platform.url("desk")))
    caller = exchange.handset(CALLER)
    await exchange.call(caller, number)
    assert await caller.finished() == "call_rejected"
    await twilio(lambda client: client.incoming_phone_numbers(bought.sid).delete())
    assert await exchange.call(exchange.handset(CALLER), number) is None
    with pytest.raises(TwilioRestException) as error:
        await twilio(lambda client: client.incoming_phone_numbers(bought.sid).fetch())
    assert code_of(error) == (404, 20404)


async def test_the_list_has_pages_and_only_the_accounts_numbers(exchange, twilio):
    for ending in range(3):
        exchange.twilio.own(f"+1312555010{ending}", ACCOUNT_SID)
    exchange.twilio.own("+13125550109", OTHER_SID)
    listed = await twilio(lambda client: client.incoming_phone_numbers.list(page_size=2))
    assert [each.phone_number for each in listed] == ["+13125550102", "+13125550101", "+13125550100", OWNED]
    owned = await twilio(lambda client: client.incoming_phone_numbers.list(phone_number="+13125550101"))
    assert [each.phone_number for each in owned] == ["+13125550101"]
    other = Twilio(exchange.url, OTHER_SID, "another")
    assert [each.phone_number for each in await other(lambda client: client.incoming_phone_numbers.list())] == [
        "+13125550109"
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"phone_number": "+12025550123"[:-2] + "99"}, None),
        ({"phone_number": "+12125559999"}, 21421),
        ({"phone_number": "+493023125000"}, 21631),
        ({"phone_number": "+12125550100", "voice_url": "here"}, 21205),
    ],
)
async def test_numbers_that_cannot_be_bought(exchange, twilio, fields, code):
    if code is None:
        exchange.own(fields["phone_number"])  # a number sold over Telnyx's protocol
        code = 21422
    with pytest.raises(TwilioRestException) as refused:
        await twilio(lambda client: client.incoming_phone_numbers.create(**fields))
    assert code_of(refused) == (400, code)
    assert [each.phone_number for each in await twilio(lambda client: client.incoming_phone_numbers.list())] == [OWNED]


async def test_numbers_survive_a_restart(tmp_path):
    state = State(tmp_path / "exchange.json")
    state.incoming_phone_numbers[OWNED] = {"account_sid": ACCOUNT_SID}
    state.save()
    assert State(tmp_path / "exchange.json").incoming_phone_numbers == {OWNED: {"account_sid": ACCOUNT_SID}}
