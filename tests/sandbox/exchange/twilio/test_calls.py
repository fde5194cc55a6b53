"""Calls over Twilio's REST API, status callbacks, and TwiML other than <Gather>."""

import pytest
from twilio.base.exceptions import TwilioRestException

from sandbox.exchange.handsets.steps import HangUp, Wait
from tests.sandbox.exchange.twilio.conftest import (
    ACCOUNT_SID,
    BUSY,
    CALLER,
    DECLINES,
    ECHO,
    MACHINE,
    MACHINE_WITHOUT_BEEP,
    NOBODY,
    OTHER_SID,
    OWNED,
    PERSON,
    SCREENS,
    UNALLOCATED,
    Twilio,
)

pytestmark = pytest.mark.virtual_time

ALL = ["initiated", "ringing", "answered", "completed"]
STAY = "<Response><Pause length='60'/></Response>"


def code_of(error: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int]:
    return error.value.status, error.value.code


async def dial(twilio, platform, to_number=PERSON, **options):
    options = {"twiml": STAY, "status_callback": platform.url("status"), "status_callback_event": ALL} | options
    return await twilio(lambda client: client.calls.create(to=to_number, from_=OWNED, **options))


async def ring(exchange, platform, *steps, voice: str):
    platform.documents["voice"] = voice
    caller = exchange.handset(CALLER, steps)
    await exchange.call(caller, OWNED)
    return caller


async def test_an_outbound_call_reports_its_progress_in_order(exchange, platform, twilio):
    call = await dial(twilio, platform)
    assert (call.status, call.direction, call.to) == ("queued", "outbound-api", PERSON)
    await platform.request("status", CallStatus="in-progress")
    assert (await twilio(lambda client: client.calls(call.sid).fetch())).status == "in-progress"
    await twilio(lambda client: client.calls(call.sid).update(status="completed"))
    done = await platform.request("status", CallStatus="completed")
    callbacks = platform.of("status")
    assert [params["CallStatus"] for params in callbacks] == ["initiated", "ringing", "in-progress", "completed"]
    assert [params["SequenceNumber"] for params in callbacks] == ["0", "1", "2", "3"]
    assert {params["CallSid"] for params in callbacks} == {call.sid}
    assert (done["CallDuration"].isdecimal(), done["SipResponseCode"]) == (True, "200")
    assert done["FromCity"] == ""
    ended = await twilio(lambda client: client.calls(call.sid).fetch())
    assert (ended.status, ended.duration) == ("completed", done["CallDuration"])
    assert ended.end_time >= ended.start_time
    listed = await twilio(lambda client: client.calls.list(to=PERSON, from_=OWNED, start_time_after=ended.start_time))
    assert [each.sid for each in listed] == [call.sid]
    assert await twilio(lambda client: client.calls.list(to=ECHO)) == []


@pytest.mark.parametrize(
    ("number", "status", "sip"),
    [(BUSY, "busy", "486"), (DECLINES, "busy", "603"), (UNALLOCATED, "failed", "404"), (NOBODY, "no-answer", "408")],
)
async def test_failed_calls_report_why(exchange, platform, twilio, number, status, sip):
    call = await dial(twilio, platform, number, timeout=1 if number == NOBODY else 60)
    ended = await platform.request("status", CallStatus=status)
    assert (ended["CallSid"], ended["SipResponseCode"], ended["CallDuration"]) == (call.sid, sip, "0")


async def test_a_call_can_be_canceled_only_before_its_answer(exchange, platform, twilio):
    call = await dial(twilio, platform, NOBODY)
    await platform.request("status", CallStatus="ringing")
    with pytest.raises(TwilioRestException) as early:
        await twilio(lambda client: client.calls(call.sid).update(twiml=STAY))
    assert code_of(early) == (400, 21220)
    await twilio(lambda client: client.calls(call.sid).update(status="canceled"))
    assert (await platform.request("status", CallStatus="canceled"))["SipResponseCode"] == "487"
    with pytest.raises(TwilioRestException) as late:
        await twilio(lambda client: client.calls(call.sid).update(status="completed"))
    assert code_of(late) == (400, 21220)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "12"}, 21211),
        ({"from_": CALLER}, 21210),
        ({"twiml": None}, 21205),
        ({"url": "nowhere", "twiml": None}, 21205),
        ({"machine_detection": "Always"}, 20001),
        ({"status_callback_event": ["answer"]}, 20001),
        ({"time_limit": 0}, 20001),
    ],
)
async def test_invalid_calls_are_refused(exchange, platform, twilio, fields, code):
    fields = {"to": PERSON, "from_": OWNED, "twiml": STAY} | fields
    with pytest.raises(TwilioRestException) as refused:
        await twilio(
            lambda client: client.calls.create(**{name: value for name, value in fields.items() if value is not None})
        )
    assert code_of(refused) == (400, code)
    assert await twilio(lambda client: client.calls.list()) == []


async def test_a_wrong_token_is_refused_and_other_accounts_are_hidden(exchange, platform, twilio):
    call = await dial(twilio, platform)
    with pytest.raises(TwilioRestException) as stranger:
        await Twilio(exchange.url, token="wrong")(lambda client: client.api.accounts(ACCOUNT_SID).fetch())
    assert code_of(stranger) == (401, 20003)
    other = Twilio(exchange.url, OTHER_SID, "another")
    assert await other(lambda client: client.calls.list()) == []
    with pytest.raises(TwilioRestException) as hidden:
        await other(lambda client: client.calls(call.sid).fetch())
    assert code_of(hidden) == (404, 20404)


async def test_an_inbound_call_fetches_its_twiml_before_the_answer(exchange, platform, twilio):
    caller = await ring(exchange, platform, voice="<Response><Pause/><Hangup/></Response>")
    request = await platform.request("voice")
    assert (request["CallStatus"], request["Direction"], request["From"], request["To"]) == (
        "ringing",
        "inbound",
        CALLER,
        OWNED,
    )
    assert await caller.finished() == "normal_clearing"
    ended = await platform.request("ended")
    assert (ended["CallSid"], ended["CallStatus"]) == (request["CallSid"], "completed")


@pytest.mark.parametrize(("reason", "cause"), [("busy", "user_busy"), ("rejected", "call_rejected")])
async def test_reject_leaves_the_call_unanswered(exchange, platform, reason, cause):
    caller = await ring(exchange, platform, voice=f"<Response><Reject reason='{reason}'/></Response>")
    assert await caller.finished() == cause
    assert (await platform.request("ended"))["CallStatus"] == "busy"
    assert [event.kind for event in caller.events] == ["ringing", "ended"]


async def test_say_play_and_redirect_run_in_order(exchange, platform, twilio):
    platform.documents["next"] = "<Response><Play digits='12w3'/><Hangup/></Response>"
    voice = "<Response><Say>Hello there.</Say><Redirect method='GET'>next?a=1&amp;b=2</Redirect><Say>Never.</Say></Response>"
    caller = await ring(exchange, platform, voice=voice)
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "123"
    assert "hears" in [event.kind for event in caller.events]
    request = await platform.request("next")
    assert (request["a"], request["b"], request["CallStatus"]) == ("1", "2", "in-progress")


async def test_a_running_call_can_be_given_new_twiml(exchange, platform, twilio):
    caller = await ring(exchange, platform, voice="<Response><Say loop='0'>Please wait.</Say></Response>")
    sid = (await platform.request("voice"))["CallSid"]
    await caller.until(lambda: caller.has_heard_speech, 30)
    updated = await twilio(lambda client: client.calls(sid).update(twiml="<Response><Play digits='9'/></Response>"))
    assert updated.status == "in-progress"
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "9"


@pytest.mark.parametrize(
    ("voice", "code"),
    [
        ("<Response><Enqueue>x</Enqueue></Response>", "12200"),
        ("<Response><Say volume='11'>x</Say></Response>", "12200"),
        ("<Response><Say>", "12100"),
        ("<!DOCTYPE x><Response/>", "12100"),
        ("<Response><Connect><Stream url='wss://127.0.0.1/x?a=1'/></Connect></Response>", "21620"),
    ],
)
async def test_invalid_twiml_ends_the_call_and_is_in_the_error_log(exchange, platform, twilio, voice, code):
    caller = await ring(exchange, platform, voice=voice)
    sid = (await platform.request("voice"))["CallSid"]
    assert await caller.finished() == "normal_clearing"
    log = await twilio(lambda client: client.calls(sid).notifications.list())
    assert [(each.call_sid, each.error_code) for each in log] == [(sid, code)]


@pytest.mark.parametrize(
    ("number", "mode", "answered_by"),
    [
        (PERSON, "Enable", "human"),
        (MACHINE, "Enable", "machine_start"),
        (MACHINE, "DetectMessageEnd", "machine_end_beep"),
        (SCREENS, "Enable", "machine_start"),
        (MACHINE_WITHOUT_BEEP, "DetectMessageEnd", "machine_end_silence"),
    ],
)
async def test_async_detection_calls_back_while_the_twiml_runs(exchange, platform, twilio, number, mode, answered_by):
    call = await dial(
        twilio,
        platform,
        number,
        machine_detection=mode,
        async_amd="true",
        async_amd_status_callback=platform.url("amd"),
    )
    found = await platform.request("amd")
    assert (found["CallSid"], found["AnsweredBy"]) == (call.sid, answered_by)
    assert int(found["MachineDetectionDuration"]) > 0
    assert (await twilio(lambda client: client.calls(call.sid).fetch())).answered_by == answered_by


async def test_a_synchronous_verdict_is_in_the_request_for_the_twiml(exchange, platform, twilio):
    platform.documents["answer"] = "<Response><Hangup/></Response>"
    await dial(twilio, platform, twiml=None, url=platform.url("answer"), machine_detection="Enable")
    assert (await platform.request("answer"))["AnsweredBy"] == "human"


async def test_a_callback_is_retried_as_its_url_fragment_says(exchange, platform, twilio):
    platform.statuses["status"] = [503, 200]
    url = platform.url("status") + "#rc=2&rp=5xx"
    await dial(twilio, platform, BUSY, status_callback=url, status_callback_event=["completed"])
    await platform.request("status", count=2)
    tokens = [headers["I-Twilio-Idempotency-Token"] for headers in platform.headers]
    assert len(platform.of("status")) == 2
    assert tokens[0] == tokens[1]
    assert platform.of("status")[0] == platform.of("status")[1]


async def test_the_fallback_url_replaces_a_failing_one(exchange, platform, twilio):
    platform.documents["spare"] = "<Response><Hangup/></Response>"
    platform.statuses["broken"] = [500]
    await dial(twilio, platform, twiml=None, url=platform.url("broken"), fallback_url=platform.url("spare"))
    request = await platform.request("spare")
    assert (request["ErrorCode"], request["ErrorUrl"]) == ("11200", platform.url("broken"))


async def test_faults_affect_twilios_protocol_too(exchange, platform, twilio):
    exchange.faults.rest["Calls"] = 503
    with pytest.raises(TwilioRestException) as refused:
        await dial(twilio, platform)
    assert refused.value.status == 503
    exchange.faults.rest.clear()
    assert await twilio(lambda client: client.calls.list()) == []


async def test_the_person_hangs_up(exchange, platform, twilio):
    caller = await ring(exchange, platform, Wait(0.2), HangUp(), voice="<Response><Say loop='0'>x</Say></Response>")
    assert await caller.finished() == "normal_clearing"
    assert (await platform.request("ended"))["CallStatus"] == "completed"
