"""The phone of the Phone page, over its WebSocket."""

import asyncio

import aiohttp
import numpy as np
import pytest

from bubblyphone.core.audio import mulaw_to_pcm16
from sandbox.exchange.server import Exchange
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.handsets import ANSWER, BROWSER, Browser, answering

pytestmark = pytest.mark.virtual_time

CALLER = "+12025550123"


@pytest.fixture
async def browser(exchange: Exchange):
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{exchange.url}/handset?token={exchange.api_key}") as ws,
    ):
        browser = Browser(ws)
        await browser.send(type="register", number=BROWSER)
        assert await browser.next() == {"type": "registered", "number": BROWSER}
        yield browser


async def test_a_browser_calls_and_talks(exchange, platform, telnyx, browser: Browser):
    agent = answering(platform, telnyx)
    await browser.send(type="dial", to=OWNED)
    assert await browser.next() == {"type": "ringing", "from": BROWSER, "to": OWNED, "direction": "outbound"}
    assert await browser.next() == {"type": "answered"}
    stream = await agent
    time = np.arange(16000 // 2) / 16000
    tone = (8000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes()
    for start in range(0, len(tone), 640):
        await browser.socket.send_bytes(tone[start : start + 640])
        await asyncio.sleep(0.02)
    await stream.send_audio(ANSWER)
    await browser.send(type="dtmf", digit="5")
    assert (await stream.wait_for("dtmf"))[0]["dtmf"] == {"digit": "5"}
    await browser.listen(16000 * 2 * 2)

    heard = np.frombuffer(mulaw_to_pcm16(stream.audio()), "<i2").astype(float)
    loud = heard[np.flatnonzero(np.abs(heard) > 1000)[0] :][:3200]
    assert abs(np.argmax(np.abs(np.fft.rfft(loud * np.hanning(3200)))) * 2.5 - 440) < 5
    back = np.frombuffer(browser.audio, "<i2").astype(float)
    loud = back[np.flatnonzero(np.abs(back) > 1000)[0] :][:8000]
    assert abs(np.argmax(np.abs(np.fft.rfft(loud * np.hanning(8000)))) * 2 - 600) < 4
    assert len(browser.audio) % 640 == 0

    await browser.send(type="hangup")
    assert await browser.next() == {"type": "ended", "cause": "normal_clearing"}
    assert (await platform.event("call.hangup"))["hangup_source"] == "caller"


async def test_a_browser_gets_calls(exchange, platform, telnyx, browser: Browser):
    first = (await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=BROWSER)).data.call_control_id
    assert await browser.next() == {"type": "ringing", "from": OWNED, "to": BROWSER, "direction": "inbound"}
    await browser.send(type="answer")
    assert await browser.next() == {"type": "answered"}
    await telnyx.calls.actions.send_dtmf(first, digits="7")
    assert await browser.next() == {"type": "dtmf", "digit": "7"}
    await telnyx.calls.actions.hangup(first)
    assert await browser.next() == {"type": "ended", "cause": "normal_clearing"}

    await telnyx.calls.dial(connection_id="exchange", from_=OWNED, to=BROWSER)
    assert (await browser.next())["type"] == "ringing"
    await browser.send(type="decline")
    assert await browser.next() == {"type": "ended", "cause": "call_rejected"}
    hangup = await platform.event("call.hangup", count=2)
    assert (hangup["hangup_cause"], hangup["hangup_source"]) == ("call_rejected", "callee")


async def test_closing_the_page_hangs_up(exchange, platform, telnyx, browser: Browser):
    agent = answering(platform, telnyx)
    await browser.send(type="dial", to=OWNED)
    await agent
    await browser.socket.close()
    assert (await platform.event("call.hangup"))["hangup_source"] == "caller"
    assert BROWSER not in exchange.switch.handsets


async def test_invalid_messages(exchange, browser: Browser):
    for message, problem in (
        ({"type": "dance"}, "Unknown message or invalid value."),
        ({"type": "dial", "to": "home"}, "Unknown message or invalid value."),
        ({"type": "answer"}, "There is no call."),
        ({"type": "dtmf", "digit": "5"}, "There is no call."),
    ):
        await browser.send(**message)
        assert await browser.next() == {"type": "error", "message": problem}
    await browser.socket.send_str("{")
    assert (await browser.next())["type"] == "error"
    await browser.send(type="dial", to="+14155550111")
    assert await browser.next() == {"type": "ended", "cause": "not_found"}


async def test_a_second_browser_takes_over_the_number(exchange: Exchange, browser: Browser):
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{exchange.url}/handset?token={exchange.api_key}") as ws,
    ):
        other = Browser(ws)
        await other.send(type="dial", to=OWNED)
        assert await other.next() == {"type": "error", "message": "Register first."}
        await other.send(type="register", number=BROWSER)
        assert (await other.next())["type"] == "registered"
        assert (await browser.next())["type"] == "error"
        assert await browser.next() == {"closed": 4001}
        await asyncio.sleep(0.05)
        assert BROWSER in exchange.switch.handsets


async def test_a_wrong_token_is_refused(exchange: Exchange):
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await http.ws_connect(f"{exchange.url}/handset?token=guess")
    assert error.value.status == 401
