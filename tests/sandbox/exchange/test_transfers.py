"""`transfer` and `bridge`: the legs, their events, and that both parties hear each other."""

import asyncio
import base64

import pytest
from telnyx import APIStatusError, AsyncTelnyx

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.tones import RINGBACK, is_speech, tone
from sandbox.exchange.handsets import answerers
from sandbox.exchange.handsets.steps import Press, Say, Wait
from tests.sandbox.exchange.calls import CALLER, COLLEAGUE, OWNED, answered, payloads, types
from tests.sandbox.exchange.platform import FakePlatform
from tests.sandbox.exchange.test_calls import code_of
from tests.sandbox.exchange.test_media_stream import RTP, until

pytestmark = pytest.mark.virtual_time

STATE_A, STATE_B = base64.b64encode(b"a").decode(), base64.b64encode(b"b").decode()
LOW, HIGH = tone(300, 1.0), tone(900, 1.0)


async def other_leg(platform: FakePlatform) -> dict:
    """The call.initiated event of a transfer's leg."""
    return await platform.event("call.initiated", count=2)


def hears(handset, pcm16: bytes) -> bool:
    """Whether the first quarter of this audio was heard. A slow machine may have caused gaps."""
    coded = pcm16_to_mulaw(pcm16)
    return b"".join(frame for frame in handset.heard if is_speech(frame)).count(coded[: len(coded) // 4]) >= 1


async def test_a_transfer_is_answered(exchange, platform: FakePlatform, telnyx: AsyncTelnyx):
    colleague = exchange.handset(COLLEAGUE, [Wait(0.4), Say(pcm16=HIGH), Press("7")], ring_seconds=0.5)
    caller, call_id = await answered(exchange, platform, telnyx, Wait(1.2), Say(pcm16=LOW), client_state=STATE_A)
    response = await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE, target_leg_client_state=STATE_B)
    assert response.data.result == "ok"
    initiated = await other_leg(platform)
    assert (initiated["direction"], initiated["state"], initiated["client_state"]) == ("outgoing", "bridging", STATE_B)
    assert (initiated["from"], initiated["to"]) == (OWNED, COLLEAGUE)
    first = await platform.event("call.initiated")
    assert initiated["call_session_id"] == first["call_session_id"]
    assert initiated["call_leg_id"] != first["call_leg_id"]
    target_id = initiated["call_control_id"]
    bridged = await platform.event("call.bridged", count=2)
    assert {first["call_control_id"], target_id} == {call_id, target_id}
    assert bridged["call_session_id"] == first["call_session_id"]
    await until(lambda: hears(caller, HIGH) and hears(colleague, LOW))
    assert any(frame == RINGBACK[0] for frame in caller.heard)
    assert not any(frame == RINGBACK[0] for frame in colleague.heard)
    await until(lambda: caller.digits == "7")
    colleague.hang_up()
    await platform.event("call.hangup", count=2)
    assert types(platform, target_id) == [
        "call.initiated",
        "call.answered",
        "call.bridged",
        "call.dtmf.received",
        "call.hangup",
    ]
    assert types(platform, call_id) == ["call.initiated", "call.answered", "call.bridged", "call.hangup"]
    hangups = {leg: payloads(platform, leg)[-1][1] for leg in (call_id, target_id)}
    assert [(hangups[leg]["hangup_cause"], hangups[leg]["hangup_source"]) for leg in (call_id, target_id)] == [
        ("normal_clearing", "callee"),
        ("normal_clearing", "callee"),
    ]
    assert (hangups[call_id]["client_state"], hangups[target_id]["client_state"]) == (STATE_A, STATE_B)


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (answerers.BUSY, "user_busy"),
        (answerers.DECLINES, "call_rejected"),
        (answerers.UNALLOCATED_NUMBER, "not_found"),
    ],
)
async def test_a_transfer_fails_and_the_call_continues(exchange, platform, telnyx, number, cause):
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.transfer(call_id, to=number)
    hangup = await platform.event("call.hangup")
    target_id = (await other_leg(platform))["call_control_id"]
    assert (hangup["call_control_id"], hangup["hangup_cause"]) == (target_id, cause)
    assert types(platform, target_id) == ["call.initiated", "call.hangup"]
    assert (await telnyx.calls.retrieve_status(call_id)).data.is_alive is True
    await telnyx.calls.actions.send_dtmf(call_id, digits="1", duration_millis=100)
    await until(lambda: caller.digits == "1")


async def test_nobody_answers_a_transfer(exchange, platform, telnyx):
    _, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.transfer(call_id, to=answerers.NOBODY, timeout_secs=5)
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    assert code_of(error.value) == (422, "10015")
    assert (await platform.event("call.hangup", seconds=8))["hangup_cause"] == "timeout"
    assert (await telnyx.calls.retrieve_status(call_id)).data.is_alive is True
    exchange.handset(COLLEAGUE)
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    await platform.event("call.bridged", count=2)


async def test_the_caller_hangs_up_while_the_transfer_rings(exchange, platform, telnyx):
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.transfer(call_id, to=answerers.NOBODY)
    target_id = (await other_leg(platform))["call_control_id"]
    caller.hang_up()
    await platform.event("call.hangup", count=2)
    causes = [payloads(platform, leg)[-1][1]["hangup_cause"] for leg in (call_id, target_id)]
    assert causes == ["normal_clearing", "originator_cancel"]


async def test_a_parked_call_outlives_its_transfer(exchange, platform, telnyx):
    colleague = exchange.handset(COLLEAGUE)
    caller, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE, park_after_unbridge="self")
    await platform.event("call.bridged", count=2)
    colleague.hang_up()
    await platform.event("call.hangup")
    assert (await telnyx.calls.retrieve_status(call_id)).data.is_alive is True
    assert exchange.switch.legs[call_id].bridge is None
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    await platform.event("call.bridged", count=4)
    caller.hang_up()
    await platform.event("call.hangup", count=3)
    assert types(platform, call_id)[-1] == "call.hangup"


async def test_a_ringing_call_is_answered_by_its_transfer(exchange, platform, telnyx):
    exchange.handset(COLLEAGUE)
    await exchange.call(exchange.handset(CALLER), OWNED)
    call_id = (await platform.event("call.initiated"))["call_control_id"]
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    await platform.event("call.bridged", count=2)
    assert types(platform, call_id) == ["call.initiated", "call.answered", "call.bridged"]


async def test_a_transfer_to_an_answering_machine_is_detected(exchange, platform, telnyx):
    _, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.transfer(call_id, to=answerers.MACHINE, answering_machine_detection="premium")
    verdict = await platform.event("call.machine.premium.detection.ended", seconds=8)
    target_id = (await other_leg(platform))["call_control_id"]
    assert (verdict["call_control_id"], verdict["result"]) == (target_id, "machine")


async def test_a_caller_number_of_another_account_is_refused(exchange, platform, telnyx):
    _, call_id = await answered(exchange, platform, telnyx)
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE, from_="+14155550177")
    assert code_of(error.value) == (403, "10010")
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE, from_=CALLER)
    assert (await other_leg(platform))["from"] == CALLER


async def test_a_warm_transfer(exchange, platform, telnyx):
    """The colleague is called, hears a briefing over a stream, and is bridged. Then both parties hear the stream."""
    colleague = exchange.handset(COLLEAGUE)
    caller, call_id = await answered(exchange, platform, telnyx)
    stream = RTP | {"stream_bidirectional_target_legs": "both", "stream_url": platform.media_url()}
    other_id = (
        await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=COLLEAGUE, **stream)
    ).data.call_control_id
    connection = await platform.stream()
    await connection.wait_for("start")
    await connection.send_audio(pcm16_to_mulaw(LOW))
    await until(lambda: hears(colleague, LOW))
    assert not any(map(is_speech, caller.heard))
    await telnyx.calls.actions.bridge(call_id, call_control_id_to_bridge_with=other_id)
    assert {(await platform.event("call.bridged", count=count))["call_control_id"] for count in (1, 2)} == {
        call_id,
        other_id,
    }
    await connection.send_audio(pcm16_to_mulaw(HIGH))
    await until(lambda: hears(colleague, HIGH) and hears(caller, HIGH))
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.bridge(
            call_id, call_control_id_to_bridge_with=other_id, extra_body={"prevent_double_bridge": True}
        )
    assert code_of(error.value) == (422, "10015")
    await telnyx.calls.actions.bridge(call_id, call_control_id_to_bridge_with=other_id)  # repeating it changes nothing
    await telnyx.calls.actions.hangup(other_id)
    assert await caller.finished(5) == "normal_clearing"


@pytest.mark.parametrize(("other", "code"), [("v3:nobody", "90015"), ("self", "10015"), ("ringing", "90034")])
async def test_invalid_bridges(exchange, platform, telnyx, other, code):
    _, call_id = await answered(exchange, platform, telnyx)
    others = {"self": call_id}
    if other == "ringing":
        dialed = await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=answerers.NOBODY)
        others["ringing"] = dialed.data.call_control_id
    with pytest.raises(APIStatusError) as error:
        await telnyx.calls.actions.bridge(call_id, call_control_id_to_bridge_with=others.get(other, other))
    assert code_of(error.value) == (422, code)


async def test_speech_ends_with_the_bridge(exchange, platform, telnyx):
    exchange.handset(COLLEAGUE)
    _, call_id = await answered(exchange, platform, telnyx)
    await telnyx.calls.actions.speak(call_id, payload="One moment please " * 20, voice="female")
    await platform.event("call.speak.started")
    await telnyx.calls.actions.transfer(call_id, to=COLLEAGUE)
    await platform.event("call.bridged", count=2)
    await asyncio.wait_for(platform.event("call.speak.ended"), 30)
