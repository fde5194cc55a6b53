"""How long a caller hears it ring: from the carrier's signed report of a call to our command to answer it, at so many calls a second."""

import asyncio
import time
from dataclasses import dataclass

from tests.bench.carrier import BenchCarrier
from tests.bench.measure import quantile
from tests.bench.rows import OPENAI
from tests.bench.scale import Finding, Scale, judged
from tests.bench.setup import Setup
from tests.bench.system import cpu_seconds, trees

RATE = 20  # calls a second
LIMIT_MS = 50.0
FIRST_SECONDS = 2.0  # not measured: threads, connections and caches


@dataclass(frozen=True, slots=True)
class Answering:
    """`waits` in seconds, from when each call was due; CPU in ms for each call, with its end."""

    waits: list[float]
    web_ms: float
    services_ms: float

    def ms(self, share: float) -> float:
        return quantile(self.waits, share) * 1000


async def measure_answering(setup: Setup, scale: Scale) -> list[Finding]:
    answering = await _measure(setup, scale.answering_seconds)
    text = (
        f"Answering, {len(answering.waits)} calls at {RATE} a second, from ring to answer p50 / p99 / max: **{answering.ms(0.5):.1f} / "
        f"{answering.ms(0.99):.1f} / {answering.ms(1):.1f} ms**; a call takes {answering.web_ms:.1f} ms of CPU, its end included, and "
        f"services {answering.services_ms:.1f} ms."
    )
    return [judged(text, answering.ms(0.99), LIMIT_MS, "Ring to answer at p99 in ms")]


async def _measure(setup: Setup, seconds: float) -> Answering:
    """Each call ends as soon as it has been answered."""
    await _call(setup.carrier, min(FIRST_SECONDS, seconds))
    groups = [setup.web], setup.services
    before = [cpu_seconds(trees(group)) for group in groups]
    waits = await _call(setup.carrier, seconds)
    web, services = (
        1000 * (cpu_seconds(trees(group)) - start) / len(waits) for group, start in zip(groups, before, strict=True)
    )
    return Answering(waits, web, services)


async def _call(carrier: BenchCarrier, seconds: float) -> list[float]:
    began = time.perf_counter()

    async def one(place: int) -> float:
        due = began + place / RATE
        await asyncio.sleep(due - time.perf_counter())
        call, answered_at = await carrier.ring(OPENAI)
        await carrier.hang_up(call, OPENAI)
        return answered_at - due

    return await asyncio.gather(*(one(place) for place in range(int(seconds * RATE))))
