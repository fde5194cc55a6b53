"""Two timeouts of half a minute, in parallel: a phone that nobody answers, and a sandbox call that nobody opens."""

import asyncio
from typing import Any

import pytest

from tests.flows.handset import TestHandset, handset
from tests.flows.platform import Number, Platform
from tests.flows.test_sandbox import assert_refused, start
from tests.flows.webhooks import WebhookReceiver

SETTINGS = {"mode": "streaming", "model": "local-offline", "system_prompt": "You are Robin."}
# Phones of the exchange that are never reached (sandbox/exchange/handsets/answerers.py) → hangup cause.
UNREACHED = {
    "+15005550002": "busy",
    "+15005550003": "no_answer",
    "+15005550004": "rejected",
    "+15005550008": "invalid_number",
}


@pytest.mark.slow
async def test_unanswered_calls_time_out(vendor_platform: Platform) -> None:
    await asyncio.gather(nobody_is_reached(vendor_platform), sandbox_token_expires(vendor_platform))


async def sandbox_token_expires(platform: Platform) -> None:
    """The URL of a sandbox call is valid for 30 s. Then the call fails and is free."""
    number = await platform.number(**SETTINGS)
    started = await start(platform, number.id)
    await asyncio.sleep(30.5)
    await assert_refused(started["ws_url"])
    call = await platform.ended_call(started["call_id"])
    assert (call["status"], call["total_cost"]) == ("failed", "0.00")


async def nobody_is_reached(platform: Platform) -> None:
    """Rejected, busy and invalid numbers fail immediately, unanswered ones after half a minute. Nothing is charged."""
    async with WebhookReceiver() as receiver, handset(platform) as decliner, handset(platform) as waiting:
        number = await platform.number(**SETTINGS, webhook_url=receiver.url)
        calls = [await platform.post("/calls", {"from": number.e164, "to": to}) for to in UNREACHED]
        declined, canceled = await asyncio.gather(
            _decline(platform, number, decliner), _cancel(platform, number, waiting)
        )
        ended = await asyncio.gather(*(platform.ended_call(call["id"], 50) for call in calls))
        await platform.until(lambda: receiver.names.count("call.hangup") == len(UNREACHED) + 2)
    assert {call["to"]: call["hangup_cause"] for call in ended} == UNREACHED
    assert (declined["hangup_cause"], canceled["hangup_cause"]) == ("rejected", "canceled")
    for call in (*ended, declined, canceled):
        assert (call["status"], call["duration_seconds"], call["total_cost"]) == ("failed", 0, "0.00")
        assert (call["answered_at"], platform.entries(call["id"])) == (None, {})
        assert (await platform.events(call["id"]))[-1] == "call.failed"
    assert set(receiver.names) == {"call.hangup"}
    assert {(message.json["duration_seconds"], message.json["cost"]) for message in receiver.messages} == {(0, 0)}


async def _decline(platform: Platform, number: Number, phone: TestHandset) -> dict[str, Any]:
    placed = await platform.post("/calls", {"from": number.e164, "to": phone.number})
    await phone.wait_for("ringing")
    await phone.control(type="decline")
    return await platform.ended_call(placed["id"])


async def _cancel(platform: Platform, number: Number, phone: TestHandset) -> dict[str, Any]:
    """Hang up over the API while the call rings."""
    placed = await platform.post("/calls", {"from": number.e164, "to": phone.number})
    await phone.wait_for("ringing")
    await platform.post(f"/calls/{placed['id']}/hangup", status=200)
    await phone.wait_for("ended")
    return await platform.ended_call(placed["id"])
