"""What a running call takes of the web process's memory: what it grows by while calls are added to those that are running.

The process must not have had calls before: what they left free is taken first, and does not count.
"""

import asyncio
from pathlib import Path

from tests.bench.line import Line
from tests.bench.measure import OpenLine, begin, end
from tests.bench.scale import Finding, Scale, judged
from tests.bench.setup import Setup

# As many are open before: threads, connections and caches that do not grow with calls are there.
FIRST_SHARE = 0.4
TALK_SECONDS = 1.0
# Then nobody speaks for a moment: audio on its way is not memory of a call. A model that is silent for three seconds is asked again.
QUIET_SECONDS = 1.5
LIMIT_KB = 150.0


async def measure_memory(setup: Setup, scale: Scale) -> list[Finding]:
    return [await _measure(setup, scale.memory_calls, "OpenAI's", setup.bench.called)]


async def measure_memory_gemini(setup: Setup, scale: Scale) -> list[Finding]:
    return [await _measure(setup, scale.memory_calls, "Gemini's", setup.bench.called_gemini)]


async def _measure(setup: Setup, calls: int, name: str, way: OpenLine) -> Finding:
    lines = await _open(way, round(calls * FIRST_SHARE))
    try:
        before = _resident_kb(setup.web)
        lines += await _open(way, calls)
        per_call = (_resident_kb(setup.web) - before) / calls
    finally:
        await end(lines)
    text = (
        f"Memory with {name} formats: **{per_call:.0f} KB** for each of {calls} more calls; the web process had "
        f"{before / 1000:.0f} MB with {round(calls * FIRST_SHARE)} calls."
    )
    return judged(text, per_call, LIMIT_KB, f"Memory of a call with {name} formats in KB")


async def _open(way: OpenLine, calls: int) -> list[Line]:
    lines = await begin(way, calls)
    await asyncio.sleep(TALK_SECONDS)
    for line in lines:
        line.stop_sending()
    await asyncio.sleep(QUIET_SECONDS)
    return lines


def _resident_kb(pid: int) -> float:
    """Physical memory of the process; of pages that others share, its share (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))
