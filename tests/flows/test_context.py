"""What a model gets besides the caller's voice (variables, the developer's notes, keys), and whom it transfers to."""

from typing import Any

from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.voices import Voices
from tests.flows.webhooks import WebhookReceiver

PROMPT = "You are Robin of Harbour Dental. You are calling {{customer_name}}. The appointment is on {{day}}."


async def test_variables_notes_and_keys_reach_the_model(platform: Platform, voices: Voices) -> None:
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(
            mode="streaming", model="local-offline", system_prompt=PROMPT, webhook_url=receiver.url
        )
        body: dict[str, Any] = {"from": number.e164, "to": phone.number}
        refused = await platform.request("POST", "/calls", json=body)
        assert refused.json()["errors"] == {"dynamic_variables": ["Missing variables: customer_name, day"]}
        body["dynamic_variables"] = {"customer_name": "John Smith", "day": "Thursday", "unused": "x"}
        placed = await platform.post("/calls", body)
        early = await platform.request("POST", f"/calls/{placed['id']}/context", json={"message": "Hi."})
        assert early.status_code == 409
        await phone.wait_for("ringing")
        await phone.control(type="answer")
        await phone.listen()
        note = {"message": "The parking garage is closed today."}
        delivered = await platform.request("POST", f"/calls/{placed['id']}/context", json=note)
        assert (delivered.status_code, delivered.json()) == (200, {"status": "delivered"})
        await phone.control(type="dtmf", digit="5")
        await platform.until(lambda: "call.dtmf" in receiver.names)
        answer = await phone.ask(await voices.say("On which day is the appointment?"))
        await phone.hang_up()
        call = await platform.ended_call(placed["id"])
    assert "thursday" in await voices.understand(answer)
    assert call["config"]["system_prompt"]["value"].startswith(
        "You are Robin of Harbour Dental. You are calling John Smith."
    )
    assert call["voicemail_detected"] is False
    assert receiver.one("call.dtmf").json["digit"] == "5"
    assert {"context.injected", "dtmf.received"} <= set(await platform.events(placed["id"]))


async def test_the_developers_server_chooses_the_transfer_recipient(platform: Platform, voices: Voices) -> None:
    async with handset(platform) as caller, handset(platform) as person:
        answers: dict[str, Any] = {"call.tool_call": (200, {"result": {"transfer_to": person.number}})}
        async with WebhookReceiver(answers) as receiver:
            prompt = "You are Robin of Harbour Dental."
            settings = {"mode": "streaming", "model": "local-offline", "system_prompt": prompt}
            number = await platform.number(**settings, tool_webhook_url=receiver.url)
            await caller.dial(number.e164)
            await caller.listen()
            caller.say(await voices.say("Can I speak to a real person please?"))
            await person.wait_for("ringing", 30)
            await person.control(type="answer")
            call = await platform.call_on(number)
            await platform.until(lambda: _has(platform, call["id"], "transfer.answered"))
            await caller.hang_up()
            ended = await platform.ended_call(call["id"])
    tool_call = receiver.one("call.tool_call")
    assert (tool_call.json["tool"], set(tool_call.json["arguments"])) == ("transfer_call", {"reason"})
    assert ended["hangup_cause"] == "transferred"


async def _has(platform: Platform, call_id: int, event: str) -> bool:
    return event in await platform.events(call_id)
