"""<Dial>: numbers, a whisper before the bridge, conferences."""

import pytest
from twilio.base.exceptions import TwilioRestException

from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import HangUp, Say, Wait, WaitForSpeech
from tests.sandbox.exchange.test_media_stream import until
from tests.sandbox.exchange.twilio.conftest import BUSY, CALLER, NOBODY, OWNED
from tests.sandbox.exchange.twilio.test_calls import ALL, code_of, ring

pytestmark = pytest.mark.virtual_time

COLLEAGUE = "+12025550177"
VOICE = tone(440, 0.4)


def dial_twiml(platform, number=COLLEAGUE, *, dial="", noun="", then=""):
    target = f"<Number {noun}>{number}</Number>"
    return f"<Response><Dial action='{platform.url('after')}' {dial}>{target}</Dial>{then}</Response>"


async def test_both_parties_hear_each_other_and_the_action_gets_the_result(exchange, platform):
    platform.documents["after"] = "<Response><Play digits='7'/></Response>"
    colleague = exchange.handset(COLLEAGUE, [WaitForSpeech(100), Say(pcm16=VOICE), Wait(0.3), HangUp()])
    noun = f"statusCallback='{platform.url('child')}' statusCallbackEvent='{' '.join(ALL)}'"
    caller = await ring(exchange, platform, Wait(0.5), Say(pcm16=VOICE), voice=dial_twiml(platform, noun=noun))
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "7"
    assert "hears" in [event.kind for event in colleague.events]
    parent, after = await platform.request("voice"), await platform.request("after")
    assert (after["DialCallStatus"], after["DialBridged"]) == ("completed", "true")
    child = await platform.request("child", CallStatus="completed")
    assert (child["CallSid"], child["ParentCallSid"]) == (after["DialCallSid"], parent["CallSid"])
    assert (child["From"], child["To"], child["Direction"]) == (CALLER, COLLEAGUE, "outbound-dial")
    assert [params["CallStatus"] for params in platform.of("child")] == [
        "initiated",
        "ringing",
        "in-progress",
        "completed",
    ]


@pytest.mark.parametrize(("number", "status"), [(BUSY, "busy"), (NOBODY, "no-answer")])
async def test_the_action_says_why_nobody_was_reached(exchange, platform, number, status):
    platform.documents["after"] = "<Response><Hangup/></Response>"
    caller = await ring(exchange, platform, voice=dial_twiml(platform, number, dial=f"timeout='1' callerId='{OWNED}'"))
    assert await caller.finished() == "normal_clearing"
    after = await platform.request("after")
    assert (after["DialCallStatus"], after["DialBridged"], "DialCallDuration" in after) == (status, "false", False)


async def test_the_callee_hears_a_whisper_before_the_caller_is_answered(exchange, platform):
    platform.documents["whisper"] = "<Response><Play digits='3'/></Response>"
    platform.documents["after"] = "<Response/>"
    colleague = exchange.handset(COLLEAGUE, [Wait(0.8), HangUp()])
    noun = f"url='{platform.url('whisper')}'"
    caller = await ring(exchange, platform, voice=dial_twiml(platform, dial="answerOnBridge='true'", noun=noun))
    await platform.request("whisper")
    assert [event.kind for event in caller.events] == ["ringing"]
    assert await caller.finished() == "normal_clearing"
    assert (colleague.digits, caller.digits) == ("3", "")
    assert "answered" in [event.kind for event in caller.events]


async def test_the_callees_leg_ends_when_the_caller_hangs_up(exchange, platform):
    colleague = exchange.handset(COLLEAGUE)
    caller = await ring(exchange, platform, voice=dial_twiml(platform))
    await until(lambda: colleague.line is not None and caller.line is not None)
    await until(lambda: "answered" in [event.kind for event in colleague.events])
    caller.hang_up()
    assert await colleague.finished() == "normal_clearing"
    assert platform.of("after") == []


async def test_redirecting_the_child_call_continues_the_parent_with_its_next_verb(exchange, platform, twilio):
    platform.documents["after"] = "<Response><Play digits='1'/></Response>"
    colleague = exchange.handset(COLLEAGUE)
    noun = f"statusCallback='{platform.url('child')}' statusCallbackEvent='answered'"
    caller = await ring(exchange, platform, voice=dial_twiml(platform, noun=noun))
    child = (await platform.request("child"))["CallSid"]
    await twilio(lambda client: client.calls(child).update(twiml="<Response><Play digits='2'/></Response>"))
    assert await caller.finished() == "normal_clearing"
    assert await colleague.finished() == "normal_clearing"
    assert (caller.digits, colleague.digits) == ("1", "2")


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ("<Response><Dial callerId='+13105550100'>+15005550001</Dial></Response>", "13214"),
        ("<Response><Dial>12</Dial></Response>", "13224"),
        ("<Response><Dial><Sip>sip:a@b.c</Sip></Dial></Response>", "12100"),
    ],
)
async def test_invalid_dials(exchange, platform, twilio, twiml, code):
    caller = await ring(exchange, platform, voice=twiml)
    assert await caller.finished() == "normal_clearing"
    log = await twilio(lambda client: client.notifications.list())
    assert [each.error_code for each in log] == [code]
    assert len(await twilio(lambda client: client.calls.list())) == 1


async def test_calls_join_a_conference_that_one_of_them_ends(exchange, platform, twilio):
    callback = f"statusCallback='{platform.url('room')}' statusCallbackEvent='start end join leave'"
    platform.documents["colleague"] = (
        "<Response><Dial><Conference endConferenceOnExit='true'>r1</Conference></Dial></Response>"
    )
    room = f"<Conference startConferenceOnEnter='false' participantLabel='caller' {callback}>r1</Conference>"
    caller = await ring(exchange, platform, voice=f"<Response><Dial>{room}</Dial><Play digits='4'/></Response>")
    joined = await platform.request("room", StatusCallbackEvent="participant-join")
    (waiting,) = await twilio(lambda client: client.conferences.list(friendly_name="r1"))
    assert (waiting.sid, waiting.status) == (joined["ConferenceSid"], "init")
    colleague = exchange.handset(COLLEAGUE, [Wait(0.5), Say(pcm16=VOICE)])
    await twilio(lambda client: client.calls.create(to=COLLEAGUE, from_=OWNED, url=platform.url("colleague")))
    await platform.request("room", StatusCallbackEvent="conference-start")
    await until(lambda: "hears" in [event.kind for event in caller.events])
    people = await twilio(lambda client: client.conferences(waiting.sid).participants.list())
    assert [each.label for each in people] == ["caller", None]
    muted = await twilio(lambda client: client.conferences(waiting.sid).participants("caller").update(muted=True))
    assert muted.muted is True
    colleague.hang_up()
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "4"
    ended = await platform.request("room", StatusCallbackEvent="conference-end")
    assert ended["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    assert (await twilio(lambda client: client.conferences(waiting.sid).fetch())).status == "completed"
    with pytest.raises(TwilioRestException) as error:
        await twilio(lambda client: client.conferences(waiting.sid).participants("caller").fetch())
    assert code_of(error) == (404, 20404)
