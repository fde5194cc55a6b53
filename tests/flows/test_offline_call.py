"""The main use case with real speech: a phone calls a number, the agent understands and answers, and the bill is right."""

import asyncio
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.flows.handset import handset
from tests.flows.platform import Platform
from tests.flows.voices import Voices
from tests.flows.webhooks import WebhookReceiver

PROMPT = (
    "You are Robin, the receptionist of Harbour Dental. We are open Monday to Friday, and on Saturday morning. "
    "The practice is at twelve Mill Lane. Parking is free behind the building. "
    "Our story is long: the practice was founded by two sisters in the year nineteen hundred and two, moved to the "
    "harbour after the great storm, and has been rebuilt three times since then by the people of this town."
)
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tell the weather at the harbour",
    "parameters": {"type": "object", "properties": {}},
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def offline(**settings: Any) -> dict[str, Any]:
    return {"mode": "streaming", "model": "local-offline", "system_prompt": PROMPT, **settings}


async def test_a_caller_is_understood_answered_and_billed(platform: Platform, voices: Voices) -> None:
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(**offline(webhook_url=receiver.url, realtime_transcript=True))
        question = await voices.say("What are your opening hours?")
        await phone.dial(number.e164)
        await phone.listen()  # the greeting
        answer = await phone.ask(question)
        await phone.hang_up()

        heard = await voices.understand(answer)
        assert "saturday morning" in heard, heard

        call = await platform.ended_call((await platform.call_on(number))["id"])
        assert (call["status"], call["hangup_cause"], call["direction"]) == ("completed", "normal_clearing", "inbound")
        assert (call["from"], call["from_number"], call["to"], call["to_number"]) == (phone.number,) * 2 + (
            number.e164,
        ) * 2
        assert (call["model_slug"], call["mode"], call["sandbox"]) == ("local-offline", "streaming", False)
        assert Decimal(call["telephony_cost"]) == math.ceil(call["duration_seconds"] / 60) * Decimal("0.04")
        assert call["model_cost"] == "0.00"
        assert call["cost"] == call["total_cost"] == call["telephony_cost"]
        assert platform.entries(call["id"]) == {"telephony": -Decimal(call["telephony_cost"])}
        spoken = [datetime.fromisoformat(call[name]) for name in ("started_at", "answered_at", "ended_at")]
        assert spoken == sorted(spoken)
        assert abs((spoken[2] - spoken[1]).total_seconds() - call["duration_seconds"]) <= 1

        transcript = await platform.transcript(call["id"])
        assert [entry["role"] for entry in transcript] == ["model", "user", "model"]
        assert "open" in transcript[1]["text"].lower()
        assert "Saturday morning" in transcript[2]["text"]
        assert [entry["interrupted"] for entry in transcript] == [False] * 3

        timeline = await platform.get(f"/calls/{call['id']}/events")
        assert [(event["event_type"], event["source"]) for event in timeline] == [
            ("call.initiated", "system"),
            ("call.ringing", "telephony"),
            ("call.answered", "telephony"),
            ("model.connected", "streaming"),
            ("stream.connected", "streaming"),
            ("stream.disconnected", "streaming"),
            ("call.ended", "system"),
        ] or {event["event_type"] for event in timeline[-2:]} == {"stream.disconnected", "call.ended"}
        assert next(event for event in timeline if event["event_type"] == "stream.connected")["metadata"] == {
            "model": "local-offline"
        }
        await check_webhooks(platform, receiver, number.secret, call, transcript)


async def check_webhooks(
    platform: Platform, receiver: WebhookReceiver, secret: str, call: dict[str, Any], transcript: list[dict[str, Any]]
) -> None:
    """Check that each event was sent once, in its documented shape, signed, and is in the log."""
    names = ["call.answered", "call.ended", "call.hangup", "call.incoming", "call.started", "call.transcript.ready"]
    segment_names = ["call.transcript.segment"] * 3
    await platform.until(lambda: len(receiver.messages) >= len(names) + len(segment_names))
    await asyncio.sleep(0.5)
    assert sorted(receiver.names) == sorted(names + segment_names)
    assert all(message.is_signed_with(secret) for message in receiver.messages)
    assert not any(message.is_signed_with("whsec_other") for message in receiver.messages)
    assert len({message.headers["x-webhook-id"] for message in receiver.messages}) == len(receiver.messages)
    call_id = str(call["id"])
    bodies = {message.event: {**message.json} for message in receiver.messages}
    assert all(TIME.fullmatch(body.pop("timestamp")) for body in bodies.values())
    segments = [message.json for message in receiver.messages if message.event == "call.transcript.segment"]
    assert sorted((segment["role"], segment["text"]) for segment in segments) == sorted(
        (entry["role"], entry["text"]) for entry in transcript
    )
    del bodies["call.transcript.segment"]
    transcript_ready = bodies.pop("call.transcript.ready")
    assert transcript_ready["call_id"] == call_id
    money = {name: call[name] for name in ("telephony_cost", "model_cost", "total_cost")}
    ended = {"duration_seconds": call["duration_seconds"], "hangup_cause": "normal_clearing"}
    assert bodies == {
        "call.incoming": {
            "event": "call.incoming",
            "call_id": call_id,
            "phone_number_id": str(call["phone_number_id"]),
            "from": call["from"],
            "to": call["to"],
            "direction": "inbound",
        },
        "call.answered": {"event": "call.answered", "call_id": call_id},
        "call.started": {"event": "call.started", "call_id": call_id, "model": "local-offline"},
        "call.ended": {"event": "call.ended", "call_id": call_id, **ended, **money},
        "call.hangup": {"event": "call.hangup", "call_id": call_id, **ended, "cost": float(call["total_cost"])},
    }
    logs = await platform.until(lambda: _complete_log(platform, call["id"], len(receiver.messages)))
    for log in logs:
        assert (log["url"], log["response_status"], log["attempt"]) == (receiver.url, 200, 1)
        assert (log["success"], log["error_message"], log["response_body"]) == (True, None, '{"status": "ok"}')
        assert log["request_payload"]["event"] == log["event_type"]
        assert 0 <= log["latency_ms"] < 10_000
    assert sorted(log["event_type"] for log in logs) == sorted(receiver.names)


async def _complete_log(platform: Platform, call_id: int, count: int) -> list[dict[str, Any]] | None:
    logs: list[dict[str, Any]] = await platform.get(f"/calls/{call_id}/webhook-logs")
    return logs if len(logs) >= count else None


async def test_a_tool_of_the_developers_server_is_called(platform: Platform, voices: Voices) -> None:
    question = await voices.say("What is the weather like today?")
    answers = {"call.tool_call": lambda body: {"result": {"message": "It is raining, with forty degrees."}}}
    async with WebhookReceiver(answers) as tools, handset(platform) as phone:
        number = await platform.number(**offline(tools=[WEATHER], tool_webhook_url=tools.url))
        await phone.dial(number.e164)
        await phone.listen()
        start = len(phone.heard)
        phone.say(question)
        # "One moment, please." comes first.
        await platform.until(lambda: says(voices, bytes(phone.heard[start:]), r"forty|40"), 40)
        await phone.hang_up()
        call = await platform.ended_call((await platform.call_on(number))["id"])

        message = tools.one("call.tool_call")
        assert message.is_signed_with(number.secret)
        body = {**message.json}
        assert TIME.fullmatch(body.pop("timestamp"))
        assert body == {
            "event": "call.tool_call",
            "call_id": str(call["id"]),
            "tool": "get_weather",
            "arguments": {},
            "from": phone.number,
            "to": number.e164,
            "direction": "inbound",
            "metadata": {},
        }
        timeline = {
            event["event_type"]: event["metadata"] for event in await platform.get(f"/calls/{call['id']}/events")
        }
        assert timeline["tool.called"] == {"tool": "get_weather", "arguments": {}}
        assert (timeline["tool.returned"]["tool"], timeline["tool.returned"]["ok"]) == ("get_weather", True)
        (log,) = await platform.get(f"/calls/{call['id']}/webhook-logs")
        assert (log["event_type"], log["success"], log["request_payload"]) == ("call.tool_call", True, message.json)
        assert log["response_body"] == '{"result": {"message": "It is raining, with forty degrees."}}'


async def says(voices: Voices, pcm16_16k: bytes, pattern: str) -> bool:
    return bool(re.search(pattern, await voices.understand(pcm16_16k)))


async def test_a_caller_can_interrupt(platform: Platform, voices: Voices) -> None:
    question, interruption = (
        await voices.say("Tell me the story of the practice."),
        await voices.say("What are your opening hours?"),
    )
    async with handset(platform) as phone:
        number = await platform.number(**offline())
        await phone.dial(number.e164)
        await phone.listen()
        phone.say(question)
        await phone.finish_speaking()
        await phone.wait_until_loud()
        await asyncio.sleep(1.5)
        silent_after = await phone.interrupt(interruption, quiet=0.5)
        await phone.finish_speaking()
        answer = await phone.listen()
        await phone.hang_up()
        call = await platform.ended_call((await platform.call_on(number))["id"])
    assert 0 < silent_after <= 0.6
    heard = await voices.understand(answer)
    assert "saturday morning" in heard, heard
    timeline = await platform.get(f"/calls/{call['id']}/events")
    (interrupted,) = (event for event in timeline if event["event_type"] == "model.interrupted")
    assert 1000 <= interrupted["metadata"]["heard_ms"] <= 4000
    transcript = await platform.transcript(call["id"])
    assert [(entry["role"], entry["interrupted"]) for entry in transcript] == [
        ("model", False),
        ("user", False),
        ("model", True),
        ("user", False),
        ("model", False),
    ]


async def test_a_goodbye_ends_the_call(platform: Platform, voices: Voices) -> None:
    goodbye = await voices.say("Thank you, bye bye.")
    async with handset(platform) as phone:
        number = await platform.number(**offline())
        await phone.dial(number.e164)
        await phone.listen()
        answer = await phone.ask(goodbye)
        assert (await phone.wait_for("ended", 15))["cause"] == "normal_clearing"
        call = await platform.ended_call((await platform.call_on(number))["id"])
    assert "thank you for calling" in await voices.understand(answer)
    assert (call["status"], call["hangup_cause"]) == ("completed", "normal_clearing")


async def test_text_from_the_api_is_spoken_unchanged(platform: Platform, voices: Voices) -> None:
    texts = [
        "Your table is ready.",
        'She said "hello" to us.',
        "Tell the caller: one moment.",
        "First line.\nSecond line.",
        "Say exactly this, word for word.",
    ]
    async with handset(platform) as phone:
        number = await platform.number(**offline(greeting_message="Greet the caller and ask for their name."))
        await phone.dial(number.e164)
        await phone.listen()
        call = await platform.call_on(number)
        for text in texts:  # all but the first while the agent speaks
            answer = await platform.request("POST", f"/calls/{call['id']}/speak", json={"text": text})
            assert answer.status_code == 200, answer.text
        heard = await voices.understand(await phone.listen())
        await phone.hang_up()
        ended = await platform.ended_call(call["id"])
    assert "table is ready" in heard.lower()
    transcript = await platform.transcript(ended["id"])
    greeting = "Hello, this is Robin, the demo agent of Harbour Dental. How can I help you?"
    assert [entry["text"] for entry in transcript] == [greeting, *(" ".join(text.split()) for text in texts)]
