"""Transfers, and calls answered by voicemail."""

from decimal import Decimal

from tests.flows.handset import handset, loud_part, tone
from tests.flows.platform import Platform
from tests.flows.voices import Voices
from tests.flows.webhooks import WebhookReceiver

AGENT = {
    "mode": "streaming",
    "model": "local-offline",
    "system_prompt": "You are Robin of Harbour Dental. We open at nine.",
}
BUSY, MACHINE = "+15005550002", "+15005550005"


async def test_a_call_is_transferred_and_billed_in_two_phases(platform: Platform) -> None:
    async with WebhookReceiver() as receiver, handset(platform) as caller, handset(platform) as person:
        number = await platform.number(**AGENT, webhook_url=receiver.url)
        await caller.dial(number.e164)
        await caller.listen()
        call = await platform.call_on(number)
        await platform.post(f"/calls/{call['id']}/transfer", {"to": person.number}, status=200)
        again = await platform.request("POST", f"/calls/{call['id']}/transfer", json={"to": person.number})
        assert again.status_code == 409
        await person.wait_for("ringing")
        await person.control(type="answer")
        await platform.until(lambda: _has(platform, call["id"], "transfer.answered"))
        person.say(tone(1.5))
        await caller.wait_until_loud()
        context = await platform.request("POST", f"/calls/{call['id']}/context", json={"message": "Hi"})
        assert context.status_code == 409
        await caller.wait_until_quiet()  # billing counts whole seconds, so the second part lasts more than one
        await person.hang_up()
        await caller.wait_for("ended")
        ended = await platform.ended_call(call["id"])
    assert (ended["status"], ended["hangup_cause"]) == ("completed", "transferred")
    entries = dict(
        platform.query(
            "SELECT split_part(key, ':', 3), amount FROM billing_ledgerentry WHERE key LIKE %s", f"call:{call['id']}:%"
        )
    )
    assert entries == {"telephony": -Decimal("0.04"), "transfer": -Decimal("0.05")}
    assert ended["telephony_cost"] == "0.09"
    assert [transfer["to"] for transfer in ended["transfers"]] == [person.number]
    events = await platform.events(call["id"])
    assert "transfer.requested" in events
    assert "stream.failed" not in events


async def test_after_a_busy_transfer_the_agent_continues(platform: Platform, voices: Voices) -> None:
    async with handset(platform) as caller:
        number = await platform.number(**AGENT, transfer_number=BUSY)
        await caller.dial(number.e164)
        await caller.listen()
        caller.say(await voices.say("Can I speak to a real person please?"))
        call = await platform.call_on(number)
        await platform.until(lambda: _has(platform, call["id"], "transfer.failed"))
        await caller.ask(await voices.say("When do you open?"))
        await caller.hang_up()
        ended = await platform.ended_call(call["id"])
    assert (ended["hangup_cause"], ended["transfers"][0]["failed_reason"]) == ("normal_clearing", "busy")
    assert ended["telephony_cost"] == "0.04"


async def test_the_recipient_hears_a_briefing_first(platform: Platform, voices: Voices) -> None:
    briefing = "Ada Lovelace is calling about her order."
    async with handset(platform) as caller, handset(platform) as person:
        number = await platform.number(**AGENT)
        await caller.dial(number.e164)
        await caller.listen()
        call = await platform.call_on(number)
        body = {"transfer_to": person.number, "briefing": briefing}
        await platform.post(f"/calls/{call['id']}/transfer", body, status=200)
        await person.wait_for("ringing")
        await caller.ask(await voices.say("When do you open?"))  # the agent is still there
        await person.control(type="answer")
        heard = await person.listen()
        assert len(loud_part(heard)) / 32000 > 1.5
        await platform.until(lambda: _has(platform, call["id"], "transfer.answered"))
        person.say(tone(1.0))
        await caller.wait_until_loud()
        await caller.hang_up()
        await person.wait_for("ended")
        ended = await platform.ended_call(call["id"])
    assert (ended["status"], ended["hangup_cause"]) == ("completed", "transferred")
    names = await platform.events(call["id"])
    assert [name for name in names if name.startswith("transfer.")] == [
        "transfer.requested", "transfer.briefing", "transfer.answered",
    ]  # fmt: skip


async def test_the_briefed_recipient_is_hung_up_if_the_caller_hangs_up(platform: Platform) -> None:
    async with handset(platform) as caller, handset(platform) as person:
        number = await platform.number(**AGENT)
        await caller.dial(number.e164)
        await caller.listen()
        call = await platform.call_on(number)
        await platform.post(
            f"/calls/{call['id']}/transfer", {"to": person.number, "briefing": "Hello. " * 40}, status=200
        )
        await person.wait_for("ringing")
        await person.control(type="answer")
        await person.wait_until_loud()
        await caller.hang_up()
        await person.wait_for("ended")
        ended = await platform.ended_call(call["id"])
    assert (ended["hangup_cause"], ended["telephony_cost"]) == ("normal_clearing", "0.04")


async def test_hanging_up_on_voicemail_costs_a_minute(platform: Platform) -> None:
    number = await platform.number(**AGENT)
    placed = await platform.post("/calls", {"from": number.e164, "to": MACHINE})
    ended = await platform.ended_call(placed["id"])
    assert (ended["hangup_cause"], ended["voicemail_detected"]) == ("voicemail", True)
    assert (ended["total_cost"], ended["model_cost"]) == ("0.05", "0.00")
    assert "stream.connected" not in await platform.events(placed["id"])


async def test_a_voicemail_message_is_left(platform: Platform) -> None:
    number = await platform.number(**AGENT, voicemail_action="ai_message")
    placed = await platform.post("/calls", {"from": number.e164, "to": MACHINE})
    ended = await platform.ended_call(placed["id"], 60)
    assert (ended["status"], ended["hangup_cause"]) == ("completed", "normal_clearing")
    assert (ended["voicemail_detected"], ended["voicemail_message_left"]) == (True, True)
    transcript = [(entry["role"], entry["text"]) for entry in await platform.transcript(placed["id"])]
    assert transcript == [("model", "Hello, this is Robin, the demo agent. Please call back when you can. Goodbye.")]


async def _has(platform: Platform, call_id: int, event: str) -> bool:
    return event in await platform.events(call_id)
