"""The asyncio end of a speech worker: starts it when first needed, talks to it, and restarts it if it dies."""

import asyncio
import itertools
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from agents.speech.frames import HEADER, Kind

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[2]

# No single sentence or utterance takes a healthy worker this long, even if many are queued: the worker hangs.
REPLY_TIMEOUT_SECONDS = 20.0
# The models are loaded before the first reply, which takes longer on a busy machine. A worker killed while loading would start over.
LOAD_TIMEOUT_SECONDS = 60.0

Sink = Callable[[Kind, bytes], None]


# Variables of the interpreter and its numeric libraries; VOICE_VARIATION is a setting of the voice.
NEEDED = {
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "LD_LIBRARY_PATH",
    "VOICE_VARIATION",
}
NEEDED_PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "ORT_")


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a speech worker. It processes untrusted audio, so it gets no secrets."""
    return {name: value for name, value in environment.items() if name in NEEDED or name.startswith(NEEDED_PREFIXES)}


class SpeechError(Exception):
    """The speech worker failed: it is not installed, died twice, or refused."""


class WorkerDied(SpeechError):
    """The process ended before it answered. The next request starts a new one."""


class Worker:
    """One worker process, shared by every call of this event loop. Requests are answered in order."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._is_loaded = False
        self._answered_at: dict[Kind, float] = {}  # the last reply to a request of that kind, on the loop's clock
        self._sinks: dict[int, Sink] = {}
        self._ids = itertools.count(1)

    @property
    def process_id(self) -> int | None:
        """The id of the running process; None if there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def _is_alive(self) -> bool:
        return self.process_id is not None and self._reader is not None and not self._reader.done()

    def new_id(self) -> int:
        """An id for a request or a stream, unique in this worker's life (and the lives after a restart)."""
        return next(self._ids) & 0xFFFFFFFF

    async def start(self) -> None:
        """Start the process unless it runs. Returns before its models are loaded; frames sent in the meantime wait
        in the pipe.
        """
        if self._is_alive:
            return
        async with self._starting:
            if self._is_alive:
                return
            if self._reader is not None:  # notifies those who wait for the old process, and nobody else
                await asyncio.wait([self._reader])
            self._is_loaded = False
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                cwd=PROJECT_ROOT,
                env=worker_environment(os.environ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._reader = asyncio.create_task(self._read_replies(self._process))

    async def _read_replies(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while True:
                kind, frame_id, length = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
                body = await process.stdout.readexactly(length)
                self._is_loaded = True
                if sink := self._sinks.get(frame_id):
                    sink(Kind(kind), body)
        except asyncio.IncompleteReadError:
            if self._process is process:  # neither closed nor killed
                logger.warning("A speech process ended unexpectedly", extra={"worker_module": self._module})
        finally:
            for sink in list(self._sinks.values()):
                sink(Kind.FAILED, b"")

    def attach(self, frame_id: int, sink: Sink) -> None:
        """Pass every frame of `frame_id` to `sink`. An empty FAILED means that the process died."""
        self._sinks[frame_id] = sink

    def detach(self, frame_id: int) -> None:
        self._sinks.pop(frame_id, None)

    def post(self, kind: Kind, frame_id: int, body: bytes = b"") -> None:
        """Send a frame without waiting. Raises WorkerDied if there is no process."""
        if self._process is None or self.process_id is None or self._process.stdin is None:
            raise WorkerDied(self._module)
        self._process.stdin.write(HEADER.pack(kind, frame_id, len(body)) + body)

    async def request(self, kind: Kind, body: bytes = b"") -> AsyncGenerator[bytes, None]:
        """Send a request and yield the bodies of the response. Raises SpeechError; restarts a dead worker once."""
        answered = False
        for attempt in (1, 2):
            try:
                async for piece in self._request_once(kind, body):
                    answered = True
                    yield piece
                return
            except WorkerDied:
                if answered or attempt == 2:
                    raise

    async def request_one(self, kind: Kind, body: bytes = b"") -> bytes:
        """Send a request that has a single response."""
        return b"".join([piece async for piece in self.request(kind, body)])

    async def _request_once(self, kind: Kind, body: bytes) -> AsyncGenerator[bytes, None]:
        await self.start()
        frame_id = self.new_id()
        replies: asyncio.Queue[tuple[Kind, bytes]] = asyncio.Queue()
        self.attach(frame_id, lambda kind, body: replies.put_nowait((kind, body)))
        try:
            self.post(kind, frame_id, body)
            posted_at = asyncio.get_running_loop().time()
            while True:
                reply, data = await self._next_reply(kind, replies, posted_at)
                if reply is Kind.FAILED:
                    raise SpeechError(data.decode()) if data else WorkerDied(self._module)
                if reply is not Kind.DONE:
                    yield data
                if reply in (Kind.DONE, Kind.RESULT):
                    return
        except TimeoutError as exc:
            self.kill()
            raise WorkerDied(self._module) from exc
        finally:
            self.detach(frame_id)

    async def _next_reply(
        self, kind: Kind, replies: asyncio.Queue[tuple[Kind, bytes]], posted_at: float
    ) -> tuple[Kind, bytes]:
        """Raises TimeoutError if no request of this kind has been answered for too long; they are answered in order."""
        while True:
            since = max(posted_at, self._answered_at.get(kind, posted_at))
            is_loading = kind is Kind.WARM_UP or not self._is_loaded
            patience = LOAD_TIMEOUT_SECONDS if is_loading else REPLY_TIMEOUT_SECONDS
            try:
                async with asyncio.timeout_at(since + patience):
                    reply = await replies.get()
            except TimeoutError:
                if self._answered_at.get(kind, since) <= since:
                    raise
            else:
                self._answered_at[kind] = asyncio.get_running_loop().time()
                return reply

    def kill(self) -> None:
        """End a worker that hangs; the next request starts a new one."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()

    async def close(self) -> None:
        """Close the pipe, which ends the process, and wait for it. A later request would start another."""
        process, reader = self._process, self._reader
        self._process = self._reader = None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                process.kill()
                await process.wait()
        if reader is not None:
            await reader
