"""Recordings: started with a call or during it, reported by callback, and downloaded with the account's credentials."""

import io
import wave

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException

from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import Say, Wait
from tests.sandbox.exchange.twilio.conftest import ACCOUNT_SID, AUTH_TOKEN, CALLER, OTHER_SID, OWNED
from tests.sandbox.exchange.twilio.test_calls import STAY, code_of

pytestmark = pytest.mark.virtual_time

COLLEAGUE = "+12025550177"


async def download(url: str, sid: str = ACCOUNT_SID, token: str = AUTH_TOKEN) -> tuple[int, bytes]:
    headers = {"Authorization": aiohttp.encode_basic_auth(sid, token)}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
        return response.status, await response.read()


async def test_only_its_account_can_download_a_recording(exchange, platform, twilio):
    exchange.handset(COLLEAGUE, [Wait(0.1), Say(pcm16=tone(440, 0.3)), Wait(0.1)])
    call = await twilio(
        lambda client: client.calls.create(
            to=COLLEAGUE,
            from_=OWNED,
            twiml="<Response><Pause length='1'/></Response>",
            record=True,
            recording_channels="dual",
            recording_status_callback=platform.url("recording"),
            recording_status_callback_event=["in-progress", "completed"],
        )
    )
    begun = await platform.request("recording", RecordingStatus="in-progress")
    done = await platform.request("recording", RecordingStatus="completed")
    assert (begun["RecordingSid"], done["CallSid"]) == (done["RecordingSid"], call.sid)
    assert (done["RecordingChannels"], done["RecordingSource"]) == ("2", "OutboundAPI")
    status, wav = await download(done["RecordingUrl"] + ".wav")
    assert status == 200
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert abs(file.getnframes() / 8000 - int(done["RecordingDuration"])) < 1
    assert await download(done["RecordingUrl"]) == (200, wav)
    assert (await download(done["RecordingUrl"] + ".wav", OTHER_SID, "another"))[0] == 401
    stranger = done["RecordingUrl"].replace(ACCOUNT_SID, OTHER_SID)
    assert (await download(stranger, OTHER_SID, "another"))[0] == 404
    (listed,) = await twilio(lambda client: client.recordings.list(call_sid=call.sid))
    assert (listed.sid, listed.status, listed.duration) == (
        done["RecordingSid"],
        "completed",
        done["RecordingDuration"],
    )
    await twilio(lambda client: client.recordings(listed.sid).delete())
    assert (await download(done["RecordingUrl"]))[0] == 404


async def test_a_recording_is_started_paused_and_stopped_during_a_call(exchange, platform, twilio):
    platform.documents["voice"] = "<Response><Say loop='0'>x</Say></Response>"
    caller = exchange.handset(CALLER)
    await exchange.call(caller, OWNED)
    sid = (await platform.request("voice"))["CallSid"]
    await caller.until(lambda: len(caller.heard) > 5, 30)
    made = await twilio(
        lambda client: client.calls(sid).recordings.create(recording_status_callback=platform.url("recording"))
    )
    assert (made.status, made.channels, made.source) == ("in-progress", 1, "StartCallRecordingAPI")

    async def change(status: str, **more: str) -> str:
        return (
            await twilio(lambda client: client.calls(sid).recordings(made.sid).update(status=status, **more))
        ).status

    assert await change("paused", pause_behavior="skip") == "paused"
    assert await change("in-progress") == "in-progress"
    assert await change("stopped") == "processing"
    assert (await platform.request("recording"))["RecordingSid"] == made.sid
    with pytest.raises(TwilioRestException) as late:
        await change("paused", pause_behavior="skip")
    assert code_of(late) == (400, 21220)


async def test_an_unanswered_call_cannot_be_recorded(exchange, platform, twilio):
    call = await twilio(lambda client: client.calls.create(to="+15005550003", from_=OWNED, twiml=STAY))
    with pytest.raises(TwilioRestException) as early:
        await twilio(lambda client: client.calls(call.sid).recordings.create())
    assert code_of(early) == (400, 21220)
    assert await twilio(lambda client: client.recordings.list()) == []
