"""Calls with continuous speech, and checks that their records are correct whatever happened to the processes."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2

from tests.fakes.vendor import Reply, Script
from tests.flows.handset import TestHandset, handset, tone
from tests.flows.platform import Number
from tests.flows.vendors import Vendors
from tests.flows.webhooks import WebhookReceiver
from tests.operations.machines import Machines

EVENTS = ("call.incoming", "call.answered", "call.started", "call.ended", "call.hangup", "call.transcript.ready")
STORY_SECONDS = 240.0  # longer than any scenario
SETTINGS = {"mode": "streaming", "model": "gpt-realtime-mini", "system_prompt": "Be brief.", "silence_timeout": 120}
PER_MINUTE = Decimal("0.04")  # the price of the model, and of telephony
CREDIT = 100


@dataclass
class Findings:
    """Results of the calls. `pauses` are the longest pause of each, in seconds. `problems` is empty if everything is correct."""

    pauses: list[float] = field(default_factory=list)
    webhooks: Counter[int] = field(default_factory=Counter)  # number of deliveries → number of webhooks
    requests: int = 0
    failed_requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def report(self) -> str:
        repeated = sum(count for times, count in self.webhooks.items() if times > 1)
        lines = [
            f"calls                    {len(self.pauses)}",
            f"longest gap in audio     {max(self.pauses, default=0):.2f} s",
            f"webhooks                 {sum(self.webhooks.values())}, sent more than once: {repeated}",
            f"API requests meanwhile   {self.requests}, failed: {len(self.failed_requests)}",
            *(f"PROBLEM: {problem}" for problem in (*self.problems, *self.failed_requests[:5])),
        ]
        return "\n".join(lines)


@dataclass
class Traffic:
    """Running calls."""

    machines: Machines
    number: Number
    receiver: WebhookReceiver
    phones: list[TestHandset]
    findings: Findings = field(default_factory=Findings)

    async def finish(self, gap_seconds: float) -> Findings:
        """Hang up, wait for the calls to settle, and check their records."""
        findings = self.findings
        await self.machines.until(lambda: all(time.monotonic() - phone.loud_at < 0.5 for phone in self.phones), 60)
        findings.pauses = [phone.longest_pause for phone in self.phones]
        findings.problems += [f"{gap:.2f} s without audio" for gap in findings.pauses if gap >= gap_seconds]
        ended = [phone.number for phone in self.phones if phone.has("ended")]
        findings.problems += [f"the call of {number} ended early" for number in ended]
        await asyncio.gather(*(phone.hang_up() for phone in self.phones if not phone.has("ended")))
        calls = await self.machines.get(f"/calls?phone_number_id={self.number.id}&per_page=100")
        if len(calls) != len(self.phones):
            findings.problems.append(f"{len(calls)} calls are listed")
        for call in calls:
            await self._check_books(call["id"])
        await self._check_webhooks({call["id"] for call in calls})
        for call in calls:
            await self._check_transcript(call["id"])
        return findings

    async def _check_books(self, call_id: int) -> None:
        call = await self.machines.ended_call(call_id, 60)
        minutes, seconds = math.ceil(call["duration_seconds"] / 60), call["duration_seconds"]
        model = (PER_MINUTE * seconds / 60).quantize(Decimal("0.001"), "ROUND_HALF_UP")
        expected = {"telephony": -minutes * PER_MINUTE, "model": -model}
        booked = self.machines.query(
            "SELECT kind, amount FROM billing_ledgerentry WHERE key LIKE %s", f"call:{call_id}:%"
        )
        if (call["status"], call["hangup_cause"]) != ("completed", "normal_clearing"):
            self.findings.problems.append(f"call {call_id}: {call['status']}, {call['hangup_cause']}")
        if sorted(booked) != sorted(expected.items()):
            self.findings.problems.append(f"call {call_id}: booked {booked}, expected {expected}")

    async def _check_transcript(self, call_id: int) -> None:
        """Call this after it was announced as ready, because the last words are written after the call ends."""
        texts = [entry["text"] for entry in await self.machines.transcript(call_id)]
        # An interrupted answer has only the words that were heard.
        if not texts or not all(text and "A story.".startswith(text) for text in texts):
            self.findings.problems.append(f"call {call_id}: transcript {texts}")

    async def _check_webhooks(self, call_ids: set[int]) -> None:
        expected = {(event, str(call_id)) for event in EVENTS for call_id in call_ids}

        def received() -> Counter[tuple[str, int]]:
            return Counter((message.event, message.json["call_id"]) for message in self.receiver.messages)

        with suppress(AssertionError):
            await self.machines.until(lambda: expected <= received().keys(), 90)
        await asyncio.sleep(2)
        found = received()
        self.findings.problems += [
            f"webhook lost: {name} of call {call_id}" for name, call_id in expected - found.keys()
        ]
        self.findings.problems += [f"unexpected webhook: {each}" for each in found.keys() - expected]
        ids = Counter((message.headers["x-webhook-id"]) for message in self.receiver.messages)
        self.findings.problems += [
            f"two webhooks for one {event}"
            for event, several in self.receiver.ids().items()
            if len(several) != len(call_ids)
        ]
        self.findings.webhooks = Counter(ids.values())


@asynccontextmanager
async def calls(machines: Machines, vendors: Vendors, count: int) -> AsyncIterator[Traffic]:
    """Run this many calls to one number. All of them hear the agent. Meanwhile, send ten API requests per second."""
    vendors.openai(Script([Reply(tone(STORY_SECONDS, 1000, 24000), "A story.")] * 500, speed=1.5))
    machines.credit(CREDIT)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        number = await machines.number(**SETTINGS, webhook_url=receiver.url)
        traffic = Traffic(machines, number, receiver, [])
        for _ in range(count):
            phone = await stack.enter_async_context(handset(machines))
            await phone.dial(number.e164)
            traffic.phones.append(phone)
        await machines.until(lambda: all(phone.loud_at for phone in traffic.phones), 60)
        await machines.until(lambda: receiver.names.count("call.started") == count, 120)
        for phone in traffic.phones:  # only count pauses from now on
            phone.longest_pause = 0.0
        asking = asyncio.create_task(_ask(traffic))
        stack.callback(asking.cancel)
        yield traffic


async def _ask(traffic: Traffic) -> None:
    """Record what a client sees of the web processes."""
    while True:
        traffic.findings.requests += 1
        try:
            response = await traffic.machines.request("GET", f"/phone-numbers/{traffic.number.id}")
            problem = "" if response.status_code == 200 else f"{response.status_code} {response.text[:100]}"
        except httpx2.HTTPError as error:
            problem = repr(error)
        if problem:
            traffic.findings.failed_requests.append(problem)
        await asyncio.sleep(0.1)


def spoken(machines: Machines, number: Number, *sentences: str) -> Any:
    """A phone with speech: `manage.py dial` in a separate process."""
    command = ["manage.py", "dial", number.e164, "--hangup-after", "90"]
    for sentence in sentences:
        command += ["--say", sentence]
    return machines.start_command(command)
