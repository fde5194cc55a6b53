"""Calls, with Telnyx's SDK as the client: the events, their order, and hangup causes."""

import asyncio
import base64

import pytest
from telnyx import APIStatusError, AsyncTelnyx
from telnyx.lib.webhook_verification import verify_webhook_signature

from sandbox.exchange.handsets import answerers
from sandbox.exchange.handsets.scripted import ScriptedHandset
from sandbox.exchange.handsets.steps import HangUp, Press, Wait
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform

pytestmark = pytest.mark.virtual_time

CALLER = "+12025550123"
STATE = base64.b64encode(b'{"call_id": 46}').decode()


def code_of(error: APIStatusError) -> tuple[int, str]:
    return error.status_code, error.body["errors"][0]["code"]  # type: ignore[index]


async def inbound_call(exchange: Exchange, platform: FakePlatform, *steps) -> tuple[ScriptedHandset, str]:
    caller = exchange.handset(CALLER, steps)
    await exchange.call(caller, OWNED)
    return caller, (await platform.event("call.initiated"))["call_control_id"]


async def test_an_inbound_call_is_answered_and_the_caller_hangs_up(exchange, platform, telnyx: AsyncTelnyx):
    caller, call_id = await inbound_call(exchange, platform, Press("5"), HangUp())
    initiated = await platform.event("call.initiated")
    assert (initiated["direction"], initiated["state"], initiated["client_state"]) == ("incoming", "parked", None)
    assert (initiated["from"], initiated["to"], initiated["connection_id"]) == (CALLER, OWNED, "exchange")

    response = await telnyx.calls.actions.answer(call_id, client_state=STATE, command_id="answer-46")
    assert response.data.result == "ok"
    answered = await platform.event("call.answered")
    assert (answered["state"], answered["client_state"]) == ("answered", STATE)

    assert await caller.finished(5) == "normal_clearing"
    hangup = await platform.event("call.hangup")
    assert hangup["hangup_cause"] == "normal_clearing"
    assert hangup["hangup_source"] == "caller"
    assert hangup["sip_hangup_cause"] == "200"
    assert hangup["start_time"] == initiated["start_time"]
    assert platform.types() == ["call.initiated", "call.answered", "call.dtmf.received", "call.hangup"]
    assert (await platform.event("call.dtmf.received"))["digit"] == "5"


async def test_webhooks_are_signed(exchange: Exchange, platform: FakePlatform):
    await inbound_call(exchange, platform)
    headers, body = platform.deliveries[0]
    verify_webhook_signature(body, {key.lower(): value for key, value in headers.items()}, exchange.public_key)


@pytest.mark.parametrize(
    ("cause", "reported", "sip"), [("CALL_REJECTED", "call_rejected", "603"), ("USER_BUSY", "user_busy", "486")]
)
async def test_a_call_is_rejected(exchange, platform, telnyx: AsyncTelnyx, cause, reported, sip):
    caller, call_id = await inbound_call(exchange, platform)
    await telnyx.calls.actions.reject(call_id, cause=cause)
    assert await caller.finished(5) == reported
    hangup = await platform.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"], hangup["sip_hangup_cause"]) == (reported, "callee", sip)


async def test_the_caller_hangs_up_before_the_answer(exchange: Exchange, platform: FakePlatform):
    caller, _ = await inbound_call(exchange, platform)
    caller.line.put_down()
    hangup = await platform.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("originator_cancel", "caller")


async def test_a_number_that_is_not_in_service(exchange: Exchange, platform: FakePlatform):
    caller = exchange.handset(CALLER)
    assert await exchange.call(caller, "+14155550155") is None
    assert await caller.finished(1) == "not_found"
    assert platform.events == []


async def dial(telnyx: AsyncTelnyx, to: str, **more) -> str:
    response = await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=to, **more)
    assert response.data.is_alive is False
    return response.data.call_control_id


async def test_the_platform_calls_a_handset(exchange: Exchange, platform: FakePlatform, telnyx: AsyncTelnyx):
    callee = exchange.handset(CALLER, [Wait(0.2)])
    call_id = await dial(telnyx, CALLER, client_state=STATE, command_id="dial-1")
    assert await dial(telnyx, CALLER, client_state=STATE, command_id="dial-1") == call_id
    await platform.event("call.answered")
    status = await telnyx.calls.retrieve_status(call_id)
    assert (status.data.is_alive, status.data.client_state) == (True, STATE)
    await telnyx.calls.actions.send_dtmf(call_id, digits="1w2", duration_millis=100)
    await asyncio.sleep(1.1)
    assert callee.digits == "12"
    await telnyx.calls.actions.hangup(call_id)
    assert await callee.finished(5) == "normal_clearing"
    hangup = await platform.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"], hangup["client_state"]) == (
        "normal_clearing",
        "caller",
        STATE,
    )
    assert platform.types() == ["call.initiated", "call.answered", "call.hangup"]
    status = await telnyx.calls.retrieve_status(call_id)
    assert status.data.is_alive is False
    assert status.data.call_duration == 1
    assert status.data.end_time


@pytest.mark.parametrize(
    ("number", "cause", "source", "sip"),
    [
        (answerers.BUSY, "user_busy", "callee", "486"),
        (answerers.DECLINES, "call_rejected", "callee", "603"),
        (answerers.UNALLOCATED_NUMBER, "not_found", "callee", "404"),
    ],
)
async def test_test_numbers_that_do_not_answer(exchange, platform, telnyx, number, cause, source, sip):
    await dial(telnyx, number)
    hangup = await platform.event("call.hangup")
    assert (hangup["hangup_cause"], hangup["hangup_source"], hangup["sip_hangup_cause"]) == (cause, source, sip)
    assert platform.types() == ["call.initiated", "call.hangup"]


@pytest.mark.parametrize(("retry", "cause"), [(True, "timeout"), (False, "no_answer")])
async def test_nobody_answers(exchange, platform, telnyx, retry, cause):
    await dial(telnyx, answerers.NOBODY, timeout_secs=5, extra_body={"retry_on_timeout": retry})
    assert (await platform.event("call.hangup", seconds=6))["hangup_cause"] == cause


async def test_a_handset_on_a_call_is_busy(exchange, platform, telnyx):
    exchange.handset(CALLER)
    first = await dial(telnyx, CALLER)
    await platform.event("call.answered")
    await dial(telnyx, CALLER)
    assert (await platform.event("call.hangup"))["hangup_cause"] == "user_busy"
    assert (await telnyx.calls.retrieve_status(first)).data.is_alive is True


@pytest.mark.parametrize(
    ("number", "results"),
    [
        (answerers.PERSON, [("call.machine.premium.detection.ended", "human_residence")]),
        (answerers.SLOW_PERSON, [("call.machine.premium.detection.ended", "silence")]),
        (
            answerers.MACHINE,
            [
                ("call.machine.premium.detection.ended", "machine"),
                ("call.machine.premium.greeting.ended", "beep_detected"),
            ],
        ),
    ],
)
async def test_answering_machine_detection(exchange, platform, telnyx, number, results):
    await dial(telnyx, number, answering_machine_detection="premium")
    await platform.event(results[-1][0], seconds=10)
    found = [
        (event["data"]["event_type"], event["data"]["payload"]["result"])
        for event in platform.events
        if "machine" in event["data"]["event_type"]
    ]
    assert found == results


@pytest.mark.parametrize(
    ("number", "last", "cause"),
    [(answerers.SCREENS_AND_ACCEPTS, ["human_residence"], ""), (answerers.SCREENS_AND_DECLINES, [], "normal_clearing")],
)
async def test_a_screening_phone_asks_who_is_calling_and_its_owner_decides(
    exchange, platform, telnyx, number, last, cause
):
    call_id = await dial(telnyx, number, answering_machine_detection="premium_ios_call_screening_detection")
    screening = await platform.event("call.machine.premium.call_screening.detected")
    assert (screening["call_control_id"], screening["result"]) == (call_id, "screening")
    await telnyx.calls.actions.speak(call_id, payload="Flowers from the shop.", voice="female")
    if last:
        await platform.event("call.machine.premium.detection.ended", count=2)
    else:
        assert (await platform.event("call.hangup"))["hangup_cause"] == cause
    found = [
        event["data"]["payload"]["result"] for event in platform.events if "machine" in event["data"]["event_type"]
    ]
    assert found == ["machine", "screening", *last]


async def test_commands_at_the_wrong_time(exchange, platform, telnyx: AsyncTelnyx):
    caller, call_id = await inbound_call(exchange, platform)
    with pytest.raises(APIStatusError) as early:
        await telnyx.calls.actions.send_dtmf(call_id, digits="1")
    assert code_of(early.value) == (422, "90034")
    with pytest.raises(APIStatusError) as unknown:
        await telnyx.calls.actions.hangup("v3:nobody")
    assert code_of(unknown.value) == (422, "90015")
    with pytest.raises(APIStatusError) as unknown:
        await telnyx.calls.retrieve_status("v3:nobody")
    assert code_of(unknown.value) == (404, "90015")
    await telnyx.calls.actions.answer(call_id)
    with pytest.raises(APIStatusError) as idle:
        await telnyx.calls.actions.stop_streaming(call_id)
    assert code_of(idle.value) == (422, "90048")
    caller.line.put_down()
    with pytest.raises(APIStatusError) as late:
        await telnyx.calls.actions.hangup(call_id)
    assert code_of(late.value) == (422, "90018")
    outbound = await dial(telnyx, answerers.NOBODY)
    with pytest.raises(APIStatusError) as wrong:
        await telnyx.calls.actions.answer(outbound)
    assert code_of(wrong.value) == (422, "90102")
    assert exchange.switch.legs[outbound].state == "ringing"


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"to": "4155550100"}, "10016", "/to"),
        ({"client_state": "not base64!"}, "90017", "/client_state"),
        ({"time_limit_secs": 20}, "10015", "/time_limit_secs"),
        ({"stream_codec": "pcmu"}, "10015", "/stream_codec"),
        ({"stream_url": "https://example.com"}, "10015", "/stream_url"),
        ({"answering_machine_detection": "yes"}, "10015", "/answering_machine_detection"),
        ({"nonsense": 1}, "10015", "/nonsense"),
        ({"timeout_secs": "30"}, "10015", "/timeout_secs"),
        ({"connection_id": "other"}, "10015", "/connection_id"),
        ({"to": ""}, "10004", "/to"),
    ],
)
async def test_an_invalid_dial_command(exchange, telnyx, change, code, pointer):
    body = {"connection_id": "exchange", "from": OWNED, "to": CALLER} | change
    with pytest.raises(APIStatusError) as error:
        await telnyx.post("/calls", body=body, cast_to=object)
    assert code_of(error.value) == (422, code)
    assert error.value.body["errors"][0]["source"]["pointer"] == pointer
    assert exchange.switch.legs == {}


async def test_unsupported_commands_are_refused_with_501(exchange, platform, telnyx):
    _, call_id = await inbound_call(exchange, platform)
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.gather(call_id)
    assert error.value.status_code == 501
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.answer(call_id, record="record-from-answer", record_format="mp3")
    assert error.value.status_code == 501


async def test_a_wrong_api_key_is_refused(exchange: Exchange):
    async with AsyncTelnyx(api_key="wrong", base_url=exchange.base_url, max_retries=0) as stranger:
        with pytest.raises(APIStatusError) as error:
            await stranger.calls.retrieve_status("v3:x")
    assert code_of(error.value) == (401, "10009")


async def test_a_caller_number_of_another_account_is_refused(exchange, telnyx):
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.dial(connection_id="exchange", from_="+14155550177", to=CALLER)
    assert code_of(error.value) == (403, "10010")
