"""Everything that runs during the measurement, and how calls are opened over each of the ways."""

import asyncio
import contextlib
import gc
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from tests.bench import judgment
from tests.bench.carrier import BenchCarrier, open_stream
from tests.bench.frame_clock import FrameClock
from tests.bench.frames import REALTIME, TELNYX
from tests.bench.gemini import GeminiEcho
from tests.bench.line import Line
from tests.bench.measure import measure
from tests.bench.model import EchoModel
from tests.bench.rows import GEMINI, OPENAI, RECORDED, RECORDED_AND_TRANSCRIBED, TRANSCRIBED
from tests.bench.scale import OTHER_WORK_NICENESS
from tests.bench.system import System, confine, cores, on_cores, trees, undelayed

T = TypeVar("T")


class Bench:
    """Opens calls over each of the ways. Every call of a run has its own number."""

    def __init__(self, carrier: BenchCarrier, model: EchoModel, clock: FrameClock) -> None:
        self._carrier = carrier
        self._clock = clock
        self._model = model
        self._numbers = itertools.count()
        self.floor_url = self.relay_url = ""

    async def direct(self, position: int) -> Line:
        """Directly to the model: the overhead of the measurement itself."""
        line = Line(next(self._numbers), self._clock, REALTIME)
        await line.connect(self._model.socket_url)
        return line

    async def spliced(self, position: int) -> Line:
        return await self._bare(self.floor_url)

    async def relayed(self, position: int) -> Line:
        return await self._bare(self.relay_url)

    async def _bare(self, url: str) -> Line:
        line = Line(next(self._numbers), self._clock, TELNYX)
        await open_stream(line, url, "v3:relay")
        return line

    async def called(self, position: int) -> Line:
        """A call on the platform: signed webhook, answer, media stream. The model speaks the caller's format."""
        return await self._call(OPENAI)

    async def called_gemini(self, position: int) -> Line:
        """The same to a model that needs other formats than the caller's."""
        return await self._call(GEMINI, is_tagged=False)

    async def called_recorded(self, position: int) -> Line:
        """The same as the first, recorded."""
        return await self._call(RECORDED)

    async def called_transcribed(self, position: int) -> Line:
        """The same as the first, with a live transcript."""
        return await self._call(TRANSCRIBED)

    async def called_with_features(self, position: int) -> Line:
        """Recorded, and with a live transcript."""
        return await self._call(RECORDED_AND_TRANSCRIBED)

    async def _call(self, number: str, *, is_tagged: bool = True) -> Line:
        call, url = await self._carrier.place_call(number)
        end = partial(self._carrier.hang_up, call, number)
        line = Line(next(self._numbers), self._clock, TELNYX, end, is_tagged=is_tagged)
        await open_stream(line, url, call)
        return line


@dataclass(slots=True)
class Setup:
    """Everything that runs during the measurement."""

    bench: Bench
    carrier: BenchCarrier
    model: EchoModel
    system: System
    floor: int
    relay: int
    web: int
    services: list[int]
    port: int
    measured_cores: set[int]
    bench_cores: set[int]
    niceness: int  # of everything, unless a part changes it
    media: list[int] = field(default_factory=list)  # PIDs of media processes

    async def start_media(self, count: int) -> None:
        """Start media processes until there are `count`, on the core of the measured processes. The web process then gets no new calls."""
        while len(self.media) < count:
            self.media.append(await self._start(self.system.start_media, f"media-{len(self.media) + 1}"))

    async def stop_media(self) -> None:
        """Stop all media processes. The web process then gets calls again."""
        await asyncio.to_thread(self.system.stop_media)
        self.media.clear()

    @contextlib.asynccontextmanager
    async def calls_in_media_process(self) -> AsyncIterator[int]:
        """Calls go to a media process, which has priority over the web process and the services on its core. Yields its PID."""
        others = [self.web, *self.services]
        await self.start_media(1)
        try:
            confine(trees(others), self.measured_cores, self.niceness + OTHER_WORK_NICENESS)
            yield self.media[0]
        finally:
            confine(trees(others), self.measured_cores, self.niceness)
            await self.stop_media()

    async def start_clock(self) -> int:
        """Start the clock process on the core of the measured processes. Returns its PID."""
        return await self._start(self.system.start_clock)

    async def _start(self, start: Callable[..., int], *arguments: str) -> int:
        return await start_pinned(self.measured_cores, partial(start, *arguments))

    async def pair(self, process: int, calls: int, seconds: float) -> judgment.Pair:
        """A run over the floor, then one over the platform, where this process has the calls."""
        floor = await measure(self.bench.spliced, calls, seconds, [[self.floor]])
        return floor, await measure(self.bench.called, calls, seconds, [[process], self.services])


async def start_pinned(cores: set[int], start: Callable[[], T]) -> T:
    """Start processes in a thread. They inherit its cores, and not the real-time priority of the benchmark's own thread."""

    def start_in_thread() -> T:
        with on_cores(cores):
            return start()

    return await asyncio.to_thread(start_in_thread)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Setup]:
    """Start everything, the measured processes on one core and the benchmark on the other. Stop everything at the end."""
    (measured_cores, bench_cores), niceness = cores(), os.getpriority(os.PRIO_PROCESS, 0)
    with on_cores(bench_cores), undelayed(), System() as system, FrameClock() as clock:
        async with (
            EchoModel() as model,
            GeminiEcho() as gemini,
            BenchCarrier() as carrier,
        ):
            bench = Bench(carrier, model, clock)
            with on_cores(measured_cores):
                floor, floor_port = system.start_relay("tests.bench.floor", model.socket_url)
                relay, relay_port = system.start_relay("tests.bench.relay", model.socket_url)
            variables = {
                "TELNYX_API_KEY": "KEY-bench",
                "TELNYX_PUBLIC_KEY": carrier.public_key,
                "TELNYX_BASE_URL": carrier.base_url,
                "OPENAI_API_KEY": "sk-bench",
                "OPENAI_BASE_URL": model.base_url,
                "GEMINI_API_KEY": "AI-bench",
                "GOOGLE_GEMINI_BASE_URL": gemini.base_url,
            }
            start = partial(system.start_platform, variables, carrier.hook_url)
            web, services, port = await start_pinned(measured_cores, start)
            bench.floor_url, bench.relay_url = f"ws://127.0.0.1:{floor_port}/", f"ws://127.0.0.1:{relay_port}/"
            carrier.webhook_url = f"http://127.0.0.1:{port}/webhooks/telnyx"
            gc.collect()
            gc.freeze()
            processes = floor, relay, web, services, port
            try:
                yield Setup(bench, carrier, model, system, *processes, measured_cores, bench_cores, niceness)
            finally:
                gc.unfreeze()
        if log := system.log():
            sys.stderr.write(log)
