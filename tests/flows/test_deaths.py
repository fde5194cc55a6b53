"""Processes are killed during a call: the call still ends, is billed once, and is reported once.

The platform keeps running, and the supervisor restarts the process before the next test.
"""

import asyncio
import json
import math
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.vendor import Reply, Script
from tests.flows.handset import TestHandset, handset, loud_part, loudness, pitch, tone
from tests.flows.platform import Number, Platform
from tests.flows.test_recording import at_16k, fetch, recording_of, sound
from tests.flows.vendors import Vendors
from tests.flows.webhooks import WebhookReceiver

pytestmark = pytest.mark.slow

SETTINGS = {"mode": "streaming", "model": "gpt-realtime-mini", "system_prompt": "Be brief."}
EVENTS = {"call.incoming", "call.answered", "call.started", "call.ended", "call.hangup", "call.transcript.ready"}
PRICE = Decimal("0.04")


@dataclass
class CallAtRisk:
    """A running call, after the greeting."""

    platform: Platform
    number: Number
    phone: TestHandset
    receiver: WebhookReceiver
    id: int

    async def check_end(self, *causes: str, seconds: float, at_most: float) -> dict[str, Any]:
        """Check that the call ends within `seconds`, is billed once for at most `at_most` seconds, and every webhook is sent once."""
        call = await self.platform.ended_call(self.id, seconds)
        assert call["status"] == "completed"
        assert call["hangup_cause"] in causes
        assert 1 <= call["duration_seconds"] <= at_most
        assert Decimal(call["telephony_cost"]) == math.ceil(call["duration_seconds"] / 60) * Decimal("0.04")
        model_cost = (PRICE * call["duration_seconds"] / 60).quantize(Decimal("0.001"), "ROUND_HALF_UP")
        assert Decimal(call["model_cost"]) == model_cost
        assert self.platform.entries(self.id) == {"telephony": -Decimal(call["telephony_cost"]), "model": -model_cost}
        await self.platform.until(lambda: set(self.receiver.names) == EVENTS, 45)
        await asyncio.sleep(1)
        assert {event: len(ids) for event, ids in self.receiver.ids().items()} == dict.fromkeys(EVENTS, 1)
        assert self.receiver.one("call.hangup").json["duration_seconds"] == call["duration_seconds"]
        again = await self.platform.get(f"/calls/{self.id}")
        assert again == call
        return call


@asynccontextmanager
async def call_at_risk(platform: Platform, vendors: Vendors, **settings: Any) -> AsyncIterator[CallAtRisk]:
    vendors.openai(Script([Reply(tone(0.5, 1000, 24000), "Hello.")]))
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(**SETTINGS, **settings, webhook_url=receiver.url)
        await phone.dial(number.e164)
        await phone.listen()
        call = await platform.call_on(number)
        await platform.until(lambda: "call.started" in receiver.names)
        await platform.until(
            lambda: platform.query("SELECT 1 FROM calls_transcriptentry WHERE call_id = %s", call["id"])
        )
        yield CallAtRisk(platform, number, phone, receiver, call["id"])


async def restarted(platform: Platform, words: str, old: int) -> None:
    """Wait until the supervisor has started another process of this kind, and everything is ready."""
    await platform.until(
        lambda: any(words in command for pid, command in platform.processes().items() if pid != old), 30
    )
    async with asyncio.timeout(120):
        while not await asyncio.to_thread(platform.is_ready):
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_another_media_process_continues_the_call(
    vendor_platform: Platform, vendors: Vendors, number: signal.Signals
) -> None:
    async with call_at_risk(vendor_platform, vendors) as call:
        fake = vendors.openai(Script([Reply(tone(0.5, 700, 24000), "I am back.")]))
        old = vendor_platform.kill("bubblyphone.serve media", number)
        assert abs(pitch(loud_part(await call.phone.listen())) - 700) < 10
        assert [item["item"]["content"][0]["text"] for item in fake.messages("conversation.item.create")] == ["Hello."]
        await call.phone.hang_up()
        await call.check_end("normal_clearing", seconds=20, at_most=40)
        await restarted(vendor_platform, "bubblyphone.serve media", old)
        events = await vendor_platform.get(f"/calls/{call.id}/events")
        reason = "deploy" if number == signal.SIGTERM else "session_lost"
        restarts = [each["metadata"] for each in events if each["event_type"] == "stream.restarted"]
        assert {"reason": reason} in restarts
        reconnected = [each["metadata"] for each in events if each["event_type"] == "stream.reconnected"]
        assert reconnected == [{"reason": reason}]


async def test_killing_the_web_process_does_not_affect_a_call(vendor_platform: Platform, vendors: Vendors) -> None:
    replies = [Reply(tone(6, 1000, 24000), "A long story."), Reply(tone(0.5, 700, 24000), "Yes.", hears="Still there?")]
    fake = vendors.openai(Script(replies))
    async with handset(vendor_platform) as phone:
        number = await vendor_platform.number(**SETTINGS, silence_timeout=120)
        await phone.dial(number.e164)
        await phone.wait_until_loud()
        call = await vendor_platform.call_on(number)
        old = vendor_platform.kill("bubblyphone.serve web")
        await phone.wait_until_quiet()
        story = [frame for frame in frames_of(bytes(phone.heard)) if loudness(frame) > 300]
        assert abs(len(story) * 0.02 - 6) < 0.5
        assert abs(pitch(loud_part(await phone.ask(tone(0.5)))) - 700) < 10
        await restarted(vendor_platform, "bubblyphone.serve web", old)
        await phone.hang_up()
        ended = await vendor_platform.ended_call(call["id"])
        events = await vendor_platform.events(call["id"])
    assert (ended["hangup_cause"], len(fake.sockets)) == ("normal_clearing", 1)
    assert [name for name in events if name.startswith("stream.")] == ["stream.connected", "stream.disconnected"]


async def test_calls_end_if_their_media_process_does_not_return(vendor_platform: Platform, vendors: Vendors) -> None:
    async with call_at_risk(vendor_platform, vendors) as call:
        vendor_platform.query("UPDATE calls_call SET stream_restarts = 10 WHERE id = %s", call.id)  # no restarts left
        old = vendor_platform.kill("bubblyphone.serve media")
        # Billed until the last sign of life, which is at most five seconds old when the process dies.
        await call.check_end("carrier_failed", seconds=90, at_most=12)
        await restarted(vendor_platform, "bubblyphone.serve media", old)
        assert (await call.phone.wait_for("ended", 10))["cause"] == "normal_clearing"


async def test_a_briefing_continues_when_the_media_process_is_killed(
    vendor_platform: Platform, vendors: Vendors
) -> None:
    """The recipient hears all of it and is connected. The carrier records that part of the call."""
    async with (
        call_at_risk(vendor_platform, vendors, recording_enabled=True) as call,
        handset(vendor_platform) as person,
    ):
        vendors.openai(Script([Reply(tone(0.5, 700, 24000), "I am back.")]))
        body = {"transfer_to": person.number, "briefing": "Ada Lovelace is calling about her order. " * 4}
        await vendor_platform.post(f"/calls/{call.id}/transfer", body, status=200)
        await person.wait_for("ringing")
        await person.control(type="answer")
        await person.wait_until_loud()
        old = vendor_platform.kill("bubblyphone.serve media")

        async def is_connected() -> bool:
            return "transfer.answered" in await vendor_platform.events(call.id)

        await vendor_platform.until(is_connected, 60)
        await call.phone.wait_until_quiet()
        person.say(tone(2, 600))
        assert abs(pitch(loud_part(await call.phone.listen())) - 600) < 10
        await call.phone.hang_up()
        ended = await vendor_platform.ended_call(call.id, 30)
        await restarted(vendor_platform, "bubblyphone.serve media", old)
        recording = await recording_of(vendor_platform, call.id)
    assert (ended["status"], ended["hangup_cause"], recording["missing"]) == ("completed", "transferred", None)
    assert [(transfer["to"], transfer["failed_reason"]) for transfer in ended["transfers"]] == [(person.number, None)]
    _, right = sound(await fetch(recording["recording_url"]))
    assert abs(pitch(loud_part(at_16k(right[-5 * 8000 :]))) - 600) < 10


async def test_the_clock_and_the_worker_are_killed(vendor_platform: Platform, vendors: Vendors) -> None:
    async with call_at_risk(vendor_platform, vendors) as call:
        clock, worker = vendor_platform.kill("manage.py clock"), vendor_platform.kill("qcluster")
        await call.phone.hang_up()  # the end is reported while no process can send webhooks
        await restarted(vendor_platform, "manage.py clock", clock)
        await restarted(vendor_platform, "qcluster", worker)
        await call.check_end("normal_clearing", seconds=20, at_most=15)


async def test_a_broken_media_stream_is_restarted_and_nothing_is_lost(
    vendor_platform: Platform, vendors: Vendors
) -> None:
    replies = [Reply(tone(5, 1000, 24000), "A long story."), Reply(tone(0.5, 700, 24000), "Yes.", hears="Still there?")]
    fake = vendors.openai(Script(replies))
    async with handset(vendor_platform) as phone:
        number = await vendor_platform.number(**SETTINGS)
        await phone.dial(number.e164)
        await phone.wait_until_loud()
        call = await vendor_platform.call_on(number)
        for way in ("broken", "closed"):
            await asyncio.sleep(0.5)
            await break_stream(vendor_platform, call["id"], way)
            broke_at = time.monotonic()
            await phone.wait_until_quiet(quiet=0.1)
            await phone.wait_until_loud()
            assert time.monotonic() - broke_at < 4  # one second on an idle machine
        await phone.wait_until_quiet()
        story = [frame for frame in frames_of(bytes(phone.heard)) if loudness(frame) > 300]
        assert abs(len(story) * 0.02 - 5) < 0.5
        assert abs(pitch(loud_part(await phone.ask(tone(0.5)))) - 700) < 10
        await phone.hang_up()
        ended = await vendor_platform.ended_call(call["id"])
    assert (ended["hangup_cause"], len(fake.sockets)) == ("normal_clearing", 1)
    transcript = [(entry["role"], entry["text"]) for entry in await vendor_platform.transcript(call["id"])]
    assert transcript == [("model", "A long story."), ("user", "Still there?"), ("model", "Yes.")]
    events = await vendor_platform.get(f"/calls/{call['id']}/events")
    reasons = [each["metadata"]["reason"] for each in events if each["event_type"] == "stream.reconnected"]
    assert reasons == ["connection_lost", "connection_lost"]
    (turn,) = await vendor_platform.get(f"/calls/{call['id']}/turns")
    parts = ("carrier_in_ms", "detection_ms", "model_ms", "tool_ms", "own_ms", "playout_ms")
    assert turn["total_ms"] == sum(turn[part] for part in parts)
    assert 180 <= turn["detection_ms"] <= turn["total_ms"] < 3000


async def break_stream(platform: Platform, call_id: int, way: str) -> None:
    """Break the media connection, or have the carrier close it. Twilio closes it only when the call ends, so there it breaks."""
    ((leg,),) = platform.query("SELECT carrier_call_id FROM calls_call WHERE id = %s", call_id)
    path, body = f"/v2/calls/{leg}/actions/streaming_stop", dict[str, str]()
    if way == "broken" or leg.startswith("CA"):
        path, body = "/handsets/break-stream", {"call_control_id": leg}
    headers = {"Authorization": f"Bearer {platform.exchange_key}"}
    address = platform.exchange_url + path
    response = await asyncio.to_thread(httpx2.post, address, json=body, headers=headers, trust_env=False)
    assert response.status_code == 200, response.text


def frames_of(pcm16_16k: bytes) -> list[bytes]:
    """The audio in frames of 20 ms."""
    return [pcm16_16k[start : start + 640] for start in range(0, len(pcm16_16k), 640)]


async def test_the_carrier_dies(vendor_platform: Platform, vendors: Vendors) -> None:
    async with call_at_risk(vendor_platform, vendors) as call:
        old = vendor_platform.kill("manage.py exchange")
        await restarted(vendor_platform, "manage.py exchange", old)
        await call.check_end("carrier_failed", seconds=45, at_most=20)
    async with call_at_risk(vendor_platform, vendors) as call:  # numbers still work
        await call.phone.hang_up()
        await call.check_end("normal_clearing", seconds=10, at_most=15)


async def test_stopping_the_platform_during_a_call_loses_nothing(vendor_platform: Platform, vendors: Vendors) -> None:
    demo = json.loads((vendor_platform.data_dir / "demo.json").read_text())
    async with call_at_risk(vendor_platform, vendors) as call:
        numbers, calls = await vendor_platform.get("/phone-numbers"), await vendor_platform.get("/calls?per_page=100")
        running = descendants(vendor_platform)
        assert len(running) > 6
        await asyncio.to_thread(vendor_platform.stop)
        assert [pid for pid, start_time in running.items() if start_time_of(pid) == start_time] == []
        await asyncio.to_thread(vendor_platform.start)
        await call.check_end("carrier_failed", "normal_clearing", seconds=60, at_most=20)
    again = json.loads((vendor_platform.data_dir / "demo.json").read_text())
    assert {**again, "numbers": demo["numbers"]} == demo  # it also contains the numbers bought since
    assert await vendor_platform.get("/phone-numbers") == numbers
    assert [each["id"] for each in await vendor_platform.get("/calls?per_page=100")] == [each["id"] for each in calls]


def descendants(platform: Platform) -> dict[int, str]:
    """All processes of the platform: pid → start time, which distinguishes it from a later process with the same pid."""
    found: set[int] = set()
    rows = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    pairs = [(int(row.split()[0]), int(row.split()[1])) for row in rows if row.strip()]
    new = set(platform.processes())
    while new:
        found |= new
        new = {pid for pid, parent in pairs if parent in found} - found
    return {pid: start_time for pid in found if (start_time := start_time_of(pid))}


def start_time_of(pid: int) -> str:
    """A process's start time in clock ticks, or "" if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
