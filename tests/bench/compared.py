"""Compares calls that take more work with plain ones, alternately: other formats, and recording with live transcript and metering."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median

from tests.bench.measure import Run, measure
from tests.bench.scale import Finding, Scale, judged
from tests.bench.setup import Setup
from tests.bench.system import cpu_seconds, tree

FORMATS_LIMIT, FEATURES_LIMIT = 2.0, 1.3
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


async def measure_features(setup: Setup, scale: Scale) -> list[Finding]:
    """Recording, live transcript and metering. The clock process runs throughout; what it takes without calls does not count."""
    clock = await setup.start_clock()
    idle = await _idle_ms_per_second(clock)
    watched = [[setup.web], [clock], setup.services]
    bench = setup.bench
    plain, full, recorded, transcribed = await _in_turn(
        scale.repeats,
        *(
            partial(measure, open_line, scale.calls, scale.seconds, watched)
            for open_line in (bench.called, bench.called_with_features, bench.called_recorded, bench.called_transcribed)
        ),
    )
    setup.system.stop_clock()
    base, web = (Run.together(runs).cpu_ms_per_call_second() for runs in (plain, full))
    alone = [Run.together(runs).cpu_ms_per_call_second() for runs in (recorded, transcribed)]
    meter, clock_ms = (
        max(0.0, Run.together(runs).cpu_ms_per_call_second(1) - idle / scale.calls) for runs in (plain, full)
    )
    services = [Run.together(runs).cpu_ms_per_call_second(2) for runs in (plain, full)]
    ratio = median(
        high.cpu_ms_per_call_second() / low.cpu_ms_per_call_second() for low, high in zip(plain, full, strict=True)
    )
    text = (
        f"Recording, live transcript and metering, {scale.calls} calls: **{ratio:.2f}** × the CPU of the web process without them "
        f"({web:.1f} and {base:.1f} ms per call-second; recording alone {alone[0]:.1f}, live transcript alone {alone[1]:.1f}). The clock "
        f"process, which sends a webhook per sentence, takes {clock_ms:.1f} ms per call-second more than without calls, of which metering "
        f"{meter:.1f}, services {services[1]:.1f} instead of {services[0]:.1f} ms."
    )
    return [judged(text, ratio, FEATURES_LIMIT, "CPU with recording and live transcript")]


async def _in_turn(repeats: int, *measures: Measure) -> list[list[Run]]:
    """Alternate the measurements, so that other load on the machine affects all of them."""
    runs: list[list[Run]] = [[] for _ in measures]
    for _ in range(repeats):
        for each, measured in zip(runs, measures, strict=True):
            each.append(await measured())
    return runs


async def _idle_ms_per_second(pid: int) -> float:
    before = cpu_seconds(tree(pid))
    await asyncio.sleep(IDLE_SECONDS)
    return (cpu_seconds(tree(pid)) - before) * 1000 / IDLE_SECONDS
