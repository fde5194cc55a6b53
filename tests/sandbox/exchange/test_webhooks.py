"""Delivery of webhooks: order, retries, timeouts, and injected faults."""

from itertools import pairwise

import pytest
from telnyx import APIConnectionError, APIStatusError

from sandbox.exchange.handsets.steps import HangUp, Press
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform

pytestmark = pytest.mark.virtual_time

CALLER = "+12025550123"


async def run_call(exchange: Exchange, platform: FakePlatform, telnyx, *steps) -> None:
    caller = exchange.handset(CALLER, [*steps, HangUp()])
    await exchange.call(caller, OWNED)
    await telnyx.calls.actions.answer((await platform.event("call.initiated"))["call_control_id"])
    await caller.finished(10)
    await platform.event("call.hangup")


async def settled(exchange, *kinds):
    """Wait until no more webhooks of these kinds are sent."""
    for kind in kinds:
        await exchange.tasks.settle(f"webhook {kind}", 30)


async def test_a_refused_event_is_sent_again(exchange, platform, telnyx):
    platform.statuses = [500]
    caller = exchange.handset(CALLER)
    await exchange.call(caller, OWNED)
    await platform.event("call.initiated", count=2)
    first, second = platform.events
    assert first["data"] == second["data"]
    assert (first["meta"]["attempt"], second["meta"]["attempt"]) == (1, 2)
    assert first["meta"]["delivered_to"] == platform.webhook_url


async def test_an_event_refused_with_404_is_not_sent_again(exchange, platform, telnyx):
    platform.statuses = [404]
    await exchange.call(exchange.handset(CALLER), OWNED)
    await platform.event("call.initiated")
    await settled(exchange, "call.initiated", "retry")
    assert len(platform.events) == 1


async def test_an_event_is_sent_again_after_two_seconds_without_a_response(exchange, platform, telnyx):
    platform.statuses = [2.3]
    await exchange.call(exchange.handset(CALLER), OWNED)
    await platform.event("call.initiated", seconds=4, count=2)
    assert sorted(event["meta"]["attempt"] for event in platform.events) == [1, 2]


async def test_a_retry_policy_replaces_the_schedule(exchange, platform, telnyx):
    exchange.handset(CALLER, [HangUp()])
    platform.statuses = [200, 200, 500, 500, 500]
    await telnyx.calls.dial(
        connection_id="exchange",
        from_=OWNED,
        to=CALLER,
        webhook_retries_policies={"call.hangup": {"retries_ms": [100, 200]}},
    )
    await platform.event("call.hangup", count=3)
    await settled(exchange, "retry")
    attempts = [event["meta"]["attempt"] for event in platform.events]
    assert attempts == [1, 1, 1, 2, 3]


async def test_a_call_can_have_its_own_webhook_url(exchange, platform, telnyx):
    async with FakePlatform() as other:
        exchange.handset(CALLER)
        await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=CALLER, webhook_url=other.webhook_url)
        await other.event("call.answered")
    assert platform.events == []


async def test_events_of_a_call_keep_their_order_even_if_each_is_late(exchange, platform, telnyx):
    exchange.faults.max_delay_seconds = 0.1
    await run_call(exchange, platform, telnyx, Press("123"))
    assert platform.types() == ["call.initiated", "call.answered", *["call.dtmf.received"] * 3, "call.hangup"]
    times = [event["data"]["occurred_at"] for event in platform.events]
    assert all(before <= after for before, after in pairwise(times))


async def test_events_can_be_reordered_and_duplicated(exchange, platform, telnyx):
    exchange.faults.max_delay_seconds = 0.6
    exchange.faults.reorder = True
    exchange.faults.duplicate = 1.0
    await run_call(exchange, platform, telnyx, Press("123456"))
    await settled(exchange, "call.initiated", "call.answered", "call.dtmf.received", "call.hangup", "duplicate")
    ids = [event["data"]["id"] for event in platform.events]
    assert len(set(ids)) == 9
    assert all(ids.count(event_id) == 2 for event_id in ids)
    times = [event["data"]["occurred_at"] for event in platform.events]
    assert times != sorted(times)


@pytest.mark.parametrize(("fault", "status"), [(500, 500), (429, 429), (422, 422)])
async def test_commands_can_be_refused(exchange, telnyx, fault, status):
    exchange.faults.rest["calls"] = fault
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=CALLER)
    assert error.value.status_code == status
    assert exchange.switch.legs == {}


@pytest.mark.parametrize("fault", ["drop", "hang"])
async def test_commands_can_hang_and_be_dropped(exchange, telnyx, fault):
    exchange.faults.rest["calls"] = fault
    with pytest.raises(APIConnectionError):
        await telnyx.with_options(timeout=0.5).calls.dial(connection_id="exchange", from_=OWNED, to=CALLER)
