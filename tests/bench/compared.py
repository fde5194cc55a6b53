"""Compares calls that take more work with plain ones, alternately: other formats, and recording with live transcript and metering."""

import asyncio
from collections.abc import Awaitable, Callable
from statistics import median

from tests.bench.measure import Run, measure
from tests.bench.scale import Finding, Scale, judged
from tests.bench.setup import Setup
from tests.bench.system import cpu_seconds, tree

FORMATS_LIMIT, EXTRAS_LIMIT = 2.0, 1.3
IDLE_SECONDS = 3.0

Measure = Callable[[], Awaitable[Run]]


async def measure_formats(setup: Setup, scale: Scale) -> list[Finding]:
    """Gemini's formats: 16 kHz to the model and 24 kHz from it, instead of the caller's own."""
    watched = [[setup.web]]
    plain, other = await _in_turn(
        scale.repeats,
        lambda: measure(setup.bench.called, scale.calls, scale.seconds, watched),
        lambda: measure(setup.bench.called_gemini, scale.calls, scale.seconds, watched),
    )
    ratio = median(
        high.cpu_ms_per_call_second() / low.cpu_ms_per_call_second() for low, high in zip(plain, other, strict=True)
    )
    cpu = [Run.together(runs).cpu_ms_per_call_second() for runs in (plain, other)]
    lost = sum(run.lost for run in other)
    text = (
        f"Gemini's formats (16 kHz to the model, 24 kHz from it), {scale.calls} calls: **{ratio:.2f}** × the CPU of the same calls with "
        f"OpenAI's ({cpu[1]:.1f} and {cpu[0]:.1f} ms per call-second), {lost} of {sum(run.frames for run in other)} frames lost."
    )
    return [judged(text, ratio, FORMATS_LIMIT, "CPU with Gemini's formats")]


async def measure_extras(setup: Setup, scale: Scale) -> list[Finding]:
    """Recording, live transcript and metering. The clock process runs throughout; what it takes without calls does not count."""
    clock = await setup.start_clock()
    idle = await _idle_ms_per_second(clock)
    watched = [[setup.web], [clock], setup.services]
    plain, extra = await _in_turn(
        scale.repeats,
        lambda: measure(setup.bench.called, scale.calls, scale.seconds, watched),
        lambda: measure(setup.bench.called_recorded, scale.calls, scale.seconds, watched),
    )
    setup.system.stop_clock()
    base, web = (Run.together(runs).cpu_ms_per_call_second() for runs in (plain, extra))
    meter = max(0.0, Run.together(extra).cpu_ms_per_call_second(1) - idle / scale.calls)
    services = [Run.together(runs).cpu_ms_per_call_second(2) for runs in (plain, extra)]
    ratio = median(
        high.cpu_ms_per_call_second() / low.cpu_ms_per_call_second() for low, high in zip(plain, extra, strict=True)
    )
    text = (
        f"Recording, live transcript and metering, {scale.calls} calls: **{ratio:.2f}** × the CPU of the web process without them "
        f"({web:.1f} and {base:.1f} ms per call-second). The clock process takes {meter:.1f} ms per call-second more than without calls, "
        f"services {services[1]:.1f} instead of {services[0]:.1f} ms."
    )
    return [judged(text, ratio, EXTRAS_LIMIT, "CPU with recording and live transcript")]


async def _in_turn(repeats: int, first: Measure, second: Measure) -> tuple[list[Run], list[Run]]:
    """Both, again and again: what else the machine does meets each of them."""
    runs: tuple[list[Run], list[Run]] = [], []
    for _ in range(repeats):
        runs[0].append(await first())
        runs[1].append(await second())
    return runs


async def _idle_ms_per_second(pid: int) -> float:
    before = cpu_seconds(tree(pid))
    await asyncio.sleep(IDLE_SECONDS)
    return (cpu_seconds(tree(pid)) - before) * 1000 / IDLE_SECONDS
