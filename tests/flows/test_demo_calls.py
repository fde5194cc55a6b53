"""A new account's free calls to the demo agent, from a browser, on a platform without API keys."""

import asyncio
import re

from tests.flows.handset import SILENCE
from tests.flows.platform import Platform
from tests.flows.test_sandbox import browser
from tests.flows.voices import Voices


async def test_three_demo_calls_without_credit(platform: Platform, voices: Voices) -> None:
    question = await voices.say("How much does a phone number cost?")
    _, key = await platform.register()
    answers = [await platform.request("POST", "/sandbox/demo", key=key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 403]
    assert answers[3].json() == {"message": "Your free demo calls are used up.", "reason": "demo_used_up"}
    started = [answer.json()["data"] for answer in answers[:3]]
    assert [demo["demos_remaining"] for demo in started] == [2, 1, 0]
    assert all(demo.keys() == {"call_id", "ws_url", "model", "demos_remaining"} for demo in started)
    assert all(isinstance(demo["call_id"], int) and demo["model"] == "local-offline" for demo in started)
    async with browser(started[0]["ws_url"]) as first:
        await first.wait_for("ready")
        await first.listen()
        await asyncio.sleep(len(first.sound) / 32000)  # until it has been played
        await first.say(question + SILENCE * 10)
        answer = await first.listen()
        assert re.search(r"three|3", await voices.understand(answer))
    call = (await platform.request("GET", f"/calls/{started[0]['call_id']}", key=key)).json()["data"]
    async with asyncio.timeout(10):
        while call["status"] != "completed":
            await asyncio.sleep(0.3)
            call = (await platform.request("GET", f"/calls/{call['id']}", key=key)).json()["data"]
    assert (call["sandbox"], call["total_cost"], call["hangup_cause"]) == (True, "0.00", "normal_clearing")
    balance = (await platform.request("GET", "/billing/balance", key=key)).json()["data"]
    assert (balance["balance"], balance["currency"]) == ("0.00", "USD")
