"""Webhook mode on a running platform: a developer's server talks to a caller with the carrier's TTS and transcription."""

import asyncio
from decimal import Decimal
from typing import Any

from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.voices import Voices
from tests.flows.webhooks import WebhookReceiver


async def test_a_server_answers_listens_speaks_and_hangs_up(platform: Platform, voices: Voices) -> None:
    turns: list[dict[str, Any]] = [
        {"action": "speak", "text": "Your table for two is booked."},
        {"action": "hangup"},
    ]
    answers: dict[str, Any] = {
        "call.incoming": (200, {"action": "answer", "text": "Hello, how can I help?"}),
        "call.speech": lambda _: turns.pop(0) if turns else {"action": "hangup"},
    }
    async with WebhookReceiver(answers) as receiver, handset(platform) as phone:
        number = await platform.number(mode="webhook", webhook_url=receiver.url)
        await phone.dial(number.e164)
        await phone.listen()
        phone.say(await voices.say("I would like to book a table for two."))
        await phone.finish_speaking()
        await phone.listen()
        phone.say(await voices.say("Thank you, goodbye."))
        await phone.wait_for("ended", 30)
        call = await platform.ended_call((await platform.call_on(number))["id"])
        transcript = await platform.transcript(call["id"])
        await platform.until(lambda: "call.transcript.ready" in receiver.names)
    assert (call["status"], call["hangup_cause"], call["model_cost"]) == ("completed", "normal_clearing", "0.00")
    assert call["transcription_cost"] == "0.02"
    assert set(platform.entries(call["id"])) == {"telephony", "transcription"}
    assert sum(platform.entries(call["id"]).values()) == -Decimal(call["total_cost"])
    assert [entry["role"] for entry in transcript] == ["model", "user", "model", "user"]
    assert transcript[0]["text"] == "Hello, how can I help?"
    assert "table" in transcript[1]["text"].lower()
    assert [name for name in receiver.names if name != "call.transcript.ready"] == [
        "call.incoming", "call.answered", "call.speech", "call.speech", "call.hangup",
    ]  # fmt: skip
    assert all(message.is_signed_with(number.secret) for message in receiver.messages)
    events = await platform.events(call["id"])
    assert events.count("speak.started") == 2


async def test_a_barge_in_is_heard(platform: Platform, voices: Voices) -> None:
    long_story = " ".join(f"This is sentence number {number} of a very long story." for number in range(1, 20))
    answers: dict[str, Any] = {"call.incoming": (200, {"action": "answer", "text": long_story})}
    answers["call.speech"] = (200, {"action": "hangup"})
    async with WebhookReceiver(answers) as receiver, handset(platform) as phone:
        number = await platform.number(mode="webhook", webhook_url=receiver.url)
        await phone.dial(number.e164)
        await phone.wait_until_loud()
        phone.say(await voices.say("Stop. I have heard this story before."))
        await phone.wait_for("ended", 30)
        call = await platform.ended_call((await platform.call_on(number))["id"])
    assert call["hangup_cause"] == "normal_clearing"
    assert call["duration_seconds"] < 25
    assert "speak.interrupted" in await platform.events(call["id"])
    assert (await platform.transcript(call["id"]))[0]["interrupted"] is True


async def test_a_call_without_a_mode_uses_the_mode_of_its_number(platform: Platform) -> None:
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(mode="webhook", webhook_url=receiver.url)
        call = await platform.post("/calls", {"from": number.e164, "to": phone.number})
        assert (call["mode"], call["model_slug"]) == ("webhook", None)
        queued = await platform.post(f"/calls/{call['id']}/speak", {"text": "Your order is ready."}, status=200)
        assert queued["answered_at"] is None
        await phone.wait_for("ringing")
        await phone.control(type="answer")
        await phone.listen()
        await platform.post(f"/calls/{call['id']}/hangup", status=200)
        await phone.wait_for("ended")
        ended = await platform.ended_call(call["id"])
        refused = await platform.request("POST", f"/calls/{call['id']}/speak", json={"text": "Hello?"})
    assert refused.status_code == 409
    assert (ended["status"], ended["transcription_cost"], ended["total_cost"]) == ("completed", "0.00", "0.05")
    assert [entry["text"] for entry in await platform.transcript(call["id"])] == ["Your order is ready."]


async def test_a_failed_webhook_is_retried(platform: Platform) -> None:
    tries: list[int] = []

    def answer(_: dict[str, Any]) -> dict[str, Any]:
        tries.append(1)
        return {"status": "ok"} if len(tries) == 1 else {"action": "answer", "text": "Hello."}

    async with WebhookReceiver({"call.incoming": answer}) as receiver, handset(platform) as phone:
        number = await platform.number(mode="webhook", webhook_url=receiver.url)
        await asyncio.gather(phone.dial(number.e164), phone.wait_for("answered", 20))
        await phone.hang_up()
        call = await platform.ended_call((await platform.call_on(number))["id"])
        logs = await platform.get(f"/calls/{call['id']}/webhook-logs")
    attempts = [
        (log["attempt"], log["success"], log["error_message"]) for log in logs if log["event_type"] == "call.incoming"
    ]
    assert attempts == [(1, False, 'The response has no "action".'), (2, True, None)]
