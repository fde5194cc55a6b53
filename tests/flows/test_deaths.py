"""What is killed in the middle of a call: it ends, is billed once, and is reported once all the same."""

import asyncio
import json
import math
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.vendor import Reply, Script
from tests.flows.handset import TestHandset, handset, tone
from tests.flows.platform import Number, Platform
from tests.flows.vendors import Vendors
from tests.flows.webhooks import WebhookReceiver

pytestmark = pytest.mark.slow

SETTINGS = {"mode": "streaming", "model": "gpt-realtime-mini", "system_prompt": "Be brief."}
EVENTS = {"call.incoming", "call.answered", "call.started", "call.ended", "call.hangup", "call.transcript.ready"}
PRICE = Decimal("0.04")


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Platform]:
    """A platform whose processes are killed; what it owned is there again in the next test."""
    started = Platform(tmp_path_factory.mktemp("mortal"), **vendors.environment)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@dataclass
class CallAtRisk:
    """A call that is on, the agent having greeted."""

    platform: Platform
    number: Number
    phone: TestHandset
    receiver: WebhookReceiver
    id: int

    async def check_end(self, *causes: str, seconds: float, at_most: float) -> dict[str, Any]:
        """Over within `seconds`, billed once for no more than `at_most` seconds, every webhook there once."""
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
async def call_at_risk(platform: Platform, vendors: Vendors) -> AsyncIterator[CallAtRisk]:
    vendors.openai(Script([Reply(tone(0.5, 1000, 24000), "Hello.")]))
    async with WebhookReceiver() as receiver, handset(platform) as phone:
        number = await platform.number(**SETTINGS, webhook_url=receiver.url)
        await phone.dial(number.e164)
        await phone.listen()
        call = await platform.call_on(number)
        await platform.until(lambda: "call.started" in receiver.names)
        await platform.until(
            lambda: platform.query("SELECT 1 FROM calls_transcriptentry WHERE call_id = %s", call["id"])
        )
        yield CallAtRisk(platform, number, phone, receiver, call["id"])


async def restarted(platform: Platform, words: str, old: int) -> None:
    """Until the supervisor has another process of that kind, and everything is ready."""
    await platform.until(
        lambda: any(words in command for pid, command in platform.processes().items() if pid != old), 30
    )
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(platform.is_ready):
            await asyncio.sleep(0.2)


async def test_the_web_process_is_killed(mortal: Platform, vendors: Vendors) -> None:
    async with call_at_risk(mortal, vendors) as call:
        await asyncio.sleep(1)
        old = mortal.kill("bubblyphone.serve")
        await restarted(mortal, "bubblyphone.serve", old)
        # Billed to its last sign of life, which is at most five seconds old when it dies.
        await call.check_end("carrier_failed", seconds=60, at_most=12)
        assert (await call.phone.wait_for("ended", 10))["cause"] == "normal_clearing"


async def test_the_clock_and_the_worker_are_killed(mortal: Platform, vendors: Vendors) -> None:
    async with call_at_risk(mortal, vendors) as call:
        clock, worker = mortal.kill("manage.py clock"), mortal.kill("qcluster")
        await call.phone.hang_up()  # the end is reported while nobody is there to send it on
        await restarted(mortal, "manage.py clock", clock)
        await restarted(mortal, "qcluster", worker)
        await call.check_end("normal_clearing", seconds=20, at_most=15)


async def test_the_carrier_closes_the_media_stream(mortal: Platform, vendors: Vendors) -> None:
    async with call_at_risk(mortal, vendors) as call:
        ((carrier_call_id,),) = mortal.query("SELECT carrier_call_id FROM calls_call WHERE id = %s", call.id)
        response = await asyncio.to_thread(
            httpx2.post,
            f"{mortal.exchange_url}/v2/calls/{carrier_call_id}/actions/streaming_stop",
            json={},
            headers={"Authorization": f"Bearer {mortal.exchange_key}"},
            trust_env=False,
        )
        assert response.status_code == 200, response.text
        await call.check_end("carrier_failed", seconds=15, at_most=20)
        assert (await call.phone.wait_for("ended"))["cause"] == "normal_clearing"


async def test_the_carrier_dies(mortal: Platform, vendors: Vendors) -> None:
    async with call_at_risk(mortal, vendors) as call:
        old = mortal.kill("manage.py exchange")
        await restarted(mortal, "manage.py exchange", old)
        await call.check_end("carrier_failed", seconds=45, at_most=20)
    async with call_at_risk(mortal, vendors) as call:  # the numbers still ring
        await call.phone.hang_up()
        await call.check_end("normal_clearing", seconds=10, at_most=15)


async def test_a_stop_in_the_middle_of_a_call_loses_nothing(mortal: Platform, vendors: Vendors) -> None:
    demo = json.loads((mortal.data_dir / "demo.json").read_text())
    async with call_at_risk(mortal, vendors) as call:
        numbers, calls = await mortal.get("/phone-numbers"), await mortal.get("/calls?per_page=100")
        running = descendants(mortal)
        assert len(running) > 6
        await asyncio.to_thread(mortal.stop)
        assert [pid for pid, birth in running.items() if born(pid) == birth] == []
        await asyncio.to_thread(mortal.start)
        await call.check_end("carrier_failed", "normal_clearing", seconds=60, at_most=20)
    again = json.loads((mortal.data_dir / "demo.json").read_text())
    assert {**again, "numbers": demo["numbers"]} == demo  # those bought meanwhile are in it, too
    assert await mortal.get("/phone-numbers") == numbers
    assert [each["id"] for each in await mortal.get("/calls?per_page=100")] == [each["id"] for each in calls]


def descendants(platform: Platform) -> dict[int, str]:
    """All processes of the platform: pid → start time, which tells it from a later one with the same pid."""
    found: set[int] = set()
    rows = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    pairs = [(int(row.split()[0]), int(row.split()[1])) for row in rows if row.strip()]
    new = set(platform.processes())
    while new:
        found |= new
        new = {pid for pid, parent in pairs if parent in found} - found
    return {pid: birth for pid in found if (birth := born(pid))}


def born(pid: int) -> str:
    """A process' start time in clock ticks; "" when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
