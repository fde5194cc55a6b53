"""Media Streams: audio in both directions, marks, clear, keys, and how a stream ends."""

import base64

import pytest

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.tones import tone
from sandbox.exchange.handsets.steps import HangUp, Press, Say, Wait, WaitForSpeech
from tests.sandbox.exchange.test_media_stream import until
from tests.sandbox.exchange.twilio.conftest import ACCOUNT_SID, CALLER, OWNED
from tests.sandbox.exchange.twilio.platform import started

pytestmark = pytest.mark.virtual_time


async def connect(exchange, platform, *steps, then="", **parameters):
    platform.documents["voice"] = platform.stream_twiml(then, **parameters)
    caller = exchange.handset(CALLER, steps)
    await exchange.call(caller, OWNED)
    connection = await platform.stream()
    await connection.wait_for("start")
    return caller, connection, started(connection)["streamSid"]


async def send(connection, stream_sid, data):
    payload = base64.b64encode(data).decode()
    await connection.send({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}})


async def test_a_stream_starts_with_the_facts_of_its_call(exchange, platform):
    _, connection, stream_sid = await connect(exchange, platform, call_id="a-b", token="x y")
    hello, start = connection.frames[:2]
    call_sid = (await platform.request("voice"))["CallSid"]
    assert hello == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream_sid,
        "start": {
            "accountSid": ACCOUNT_SID,
            "streamSid": stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"call_id": "a-b", "token": "x y"},
        },
    }
    first, second = (await connection.wait_for("media", 2))[:2]
    assert (first["sequenceNumber"], first["streamSid"]) == ("2", stream_sid)
    assert first["media"] | {"payload": ""} == {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": ""}
    assert len(base64.b64decode(first["media"]["payload"])) == 160
    assert (second["media"]["chunk"], second["media"]["timestamp"]) == ("2", "20")
    callback = await platform.request("stream", StreamEvent="stream-started")
    assert (callback["CallSid"], callback["StreamSid"]) == (call_sid, stream_sid)


async def test_audio_is_unchanged_in_both_directions(exchange, platform):
    sine = tone(440, 0.5)
    coded = pcm16_to_mulaw(sine)
    caller, connection, stream_sid = await connect(exchange, platform, Wait(0.2), Say(pcm16=sine))
    await send(connection, stream_sid, coded)
    await until(lambda: coded in connection.audio() and coded in b"".join(caller.heard))


async def test_a_mark_returns_when_the_audio_before_it_was_heard_or_cleared(exchange, platform):
    caller, connection, stream_sid = await connect(exchange, platform)
    mark = {"event": "mark", "streamSid": stream_sid, "mark": {"name": "heard"}}
    await send(connection, stream_sid, pcm16_to_mulaw(tone(440, 0.4)))
    await connection.send(mark)
    (returned,) = await connection.wait_for("mark")
    assert returned["mark"] == {"name": "heard"}
    assert len(caller.heard) >= 20
    await send(connection, stream_sid, pcm16_to_mulaw(tone(440, 120.0)))
    await connection.send(mark | {"mark": {"name": "cleared"}})
    await connection.send({"event": "clear", "streamSid": stream_sid})
    assert (await connection.wait_for("mark", 2))[1]["mark"] == {"name": "cleared"}


async def test_keys_reach_the_stream(exchange, platform):
    _, connection, stream_sid = await connect(exchange, platform, WaitForSpeech(100), Press("4#"))
    await send(connection, stream_sid, pcm16_to_mulaw(tone(440, 0.4)))
    frames = await connection.wait_for("dtmf", 2)
    assert [frame["dtmf"] for frame in frames] == [
        {"track": "inbound_track", "digit": "4"},
        {"track": "inbound_track", "digit": "#"},
    ]
    assert frames[0]["streamSid"] == stream_sid


async def test_when_the_platform_closes_the_stream_the_twiml_continues(exchange, platform):
    caller, connection, _ = await connect(exchange, platform, then="<Play digits='5'/><Hangup/>")
    await connection.socket.close()
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "5"
    await platform.request("stream", StreamEvent="stream-stopped")


async def test_when_the_caller_hangs_up_the_stream_stops(exchange, platform):
    _caller, connection, _stream_sid = await connect(exchange, platform, Wait(0.3), HangUp())
    (stop,) = await connection.wait_for("stop")
    assert stop["stop"] == {"accountSid": ACCOUNT_SID, "callSid": (await platform.request("voice"))["CallSid"]}
    await platform.request("stream", StreamEvent="stream-stopped")
    assert (await platform.request("ended"))["CallStatus"] == "completed"


async def test_new_twiml_stops_the_stream(exchange, platform, twilio):
    _caller, connection, _ = await connect(exchange, platform)
    sid = (await platform.request("voice"))["CallSid"]
    await twilio(lambda client: client.calls(sid).update(twiml="<Response><Pause length='60'/></Response>"))
    await connection.wait_for("stop")
    assert (await twilio(lambda client: client.calls(sid).fetch())).status == "in-progress"


async def test_a_stream_that_cannot_connect_is_an_error_and_the_twiml_continues(exchange, platform, twilio):
    stream = f"<Stream url='ws://127.0.0.1:1/x' statusCallback='{platform.url('stream')}'/>"
    platform.documents["voice"] = f"<Response><Connect>{stream}</Connect><Play digits='1'/></Response>"
    caller = exchange.handset(CALLER)
    await exchange.call(caller, OWNED)
    assert await caller.finished() == "normal_clearing"
    assert caller.digits == "1"
    failed = await platform.request("stream", StreamEvent="stream-error")
    assert failed["StreamErrorCode"] == "31920"


async def test_frames_that_twilio_would_drop_are_in_the_error_log(exchange, platform, twilio):
    _, connection, stream_sid = await connect(exchange, platform)
    sid = (await platform.request("voice"))["CallSid"]
    await connection.send({"event": "clear"})
    await connection.send({"event": "media", "streamSid": stream_sid, "media": {"payload": "%"}})
    await connection.send({"event": "mark", "streamSid": stream_sid, "mark": {"name": "last"}})
    await connection.wait_for("mark")
    log = await twilio(lambda client: client.calls(sid).notifications.list())
    assert [each.error_code for each in log] == ["31952", "31951"]
