"""Calls placed over the API to phones of the exchange, and calls that are refused."""

import math
from decimal import Decimal
from typing import Any

import pytest

from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.webhooks import WebhookReceiver

SETTINGS = {
    "mode": "streaming",
    "model": "local-offline",
    "system_prompt": "You are Robin, the receptionist of Harbour Dental. We are open from nine to five.",
}
# Phones of the exchange (sandbox/exchange/handsets/answerers.py).
NOBODY, UNALLOCATED = "+15005550003", "+15005550008"


async def test_a_person_is_called_and_the_call_is_hung_up(platform: Platform) -> None:
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(**SETTINGS, webhook_url=receiver.url)
        placed = await platform.post("/calls", {"from": number.e164, "to": phone.number})
        assert (placed["direction"], placed["status"], placed["mode"]) == ("outbound", placed["status"], "streaming")
        assert placed["status"] in ("initiated", "ringing")
        ringing = await phone.wait_for("ringing")
        assert ringing == {"type": "ringing", "from": number.e164, "to": phone.number, "direction": "inbound"}
        ring = await platform.until(lambda: _with_status(platform, placed["id"], "ringing"))
        assert (ring["answered_at"], ring["cost"]) == (None, "0.00")
        not_over = await platform.request("GET", f"/calls/{placed['id']}/transcript")
        assert not_over.status_code == 409
        await phone.control(type="answer")
        await phone.listen()
        answered = await platform.post(f"/calls/{placed['id']}/hangup", status=200)
        assert answered["id"] == placed["id"]
        assert (await phone.wait_for("ended"))["cause"] == "normal_clearing"
        call = await platform.ended_call(placed["id"])
        await platform.until(lambda: {"call.ended", "call.hangup"} <= set(receiver.names))
        again = await platform.request("POST", f"/calls/{placed['id']}/hangup")
    assert again.status_code == 409
    assert set(again.json()) >= {"message"}
    assert (call["status"], call["hangup_cause"]) == ("completed", "normal_clearing")
    assert Decimal(call["total_cost"]) == math.ceil(call["duration_seconds"] / 60) * Decimal("0.05")
    assert platform.entries(call["id"]) == {"telephony": -Decimal(call["total_cost"])}
    events = await platform.events(call["id"])
    assert events[:3] == ["call.initiated", "call.ringing", "call.answered"]
    assert "hangup.requested" in events
    assert "call.incoming" not in receiver.names
    once_over = [
        name for name in receiver.names if name != "call.transcript.ready"
    ]  # sent five seconds later, perhaps after the test
    assert sorted(once_over) == ["call.answered", "call.ended", "call.hangup", "call.started"]
    assert all(message.is_signed_with(number.secret) for message in receiver.messages)


async def _with_status(platform: Platform, call_id: int, status: str) -> dict[str, Any] | None:
    call: dict[str, Any] = await platform.get(f"/calls/{call_id}")
    return call if call["status"] == status else None


async def test_accounts_that_cannot_call(platform: Platform) -> None:
    number = await platform.number(**SETTINGS)
    email, stranger = await platform.register()
    body = {"from": number.e164, "to": NOBODY}

    unpaid = await platform.request("POST", "/phone-numbers", key=stranger, json={"phone_number": "+12125550100"})
    assert unpaid.status_code == 402
    foreign_number = await platform.request("POST", "/calls", key=stranger, json=body)
    assert (foreign_number.status_code, list(foreign_number.json()["errors"])) == (422, ["from"])
    platform.credit(6.4, email)
    offered = await platform.get("/phone-numbers/available?country=US&contains=77")
    bought = await platform.request(
        "POST", "/phone-numbers", key=stranger, json={"phone_number": offered[0]["phone_number"]}
    )
    assert bought.status_code == 201, bought.text
    poor = await platform.request(
        "POST", "/calls", key=stranger, json={**SETTINGS, "from": bought.json()["data"]["phone_number"], "to": NOBODY}
    )
    assert (poor.status_code, poor.json()["reason"]) == (402, "insufficient_balance")
    assert (await platform.request("GET", "/calls", key=stranger)).json()["data"] == []

    placed = await platform.post("/calls", {**body, "to": UNALLOCATED})
    for path in ("", "/events", "/transcript", "/webhook-logs"):
        seen = await platform.request("GET", f"/calls/{placed['id']}{path}", key=stranger)
        assert (seen.status_code, set(seen.json())) == (404, {"message"})
    assert (await platform.request("POST", f"/calls/{placed['id']}/hangup", key=stranger)).status_code == 404
    assert (await platform.request("POST", "/calls", key="bp_live_sk_wrong", json=body)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "0049301234"}, "to"),
        ({"to": None}, "to"),
        ({"from": "+15035550199"}, "from"),
        ({"mode": "shouting"}, "mode"),
        ({"model": "gpt-9"}, "model"),
        ({"system_promt": "x"}, "system_promt"),
        ({"agent_id": 987654}, "agent_id"),
        ({"model_key_id": 987654}, "model_key_id"),
        ({"tools": [{"name": "a b"}]}, "tools.0.name"),
        ({"max_call_duration": 59}, "max_call_duration"),
    ],
)
async def test_invalid_calls_are_refused(platform: Platform, changes: dict[str, Any], field: str) -> None:
    before = await platform.get("/calls?per_page=1&direction=outbound")
    body = {"from": platform.demo["numbers"][0], "to": NOBODY, "mode": "streaming", **changes}
    refused = await platform.request("POST", "/calls", json=body)
    assert refused.status_code == 422, refused.text
    assert set(refused.json()) == {"message", "errors"}
    assert any(name == field or name.startswith(f"{field}.") for name in refused.json()["errors"]), refused.text
    assert await platform.get("/calls?per_page=1&direction=outbound") == before
