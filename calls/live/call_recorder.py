"""Recording a live call: caller left, agent right, as it was heard.

On the event loop, a tap stores each piece with its time: one append per frame. Once a second, a thread places the pieces of all recordings
at their positions and writes them to the files.
Both sides use one clock, that of the incoming caller audio: the carrier sends it continuously, while the agent's is sent ahead and heard
when everything before it has been played. Audio dropped by a barge-in is not in the recording.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from bubblyphone.core.audio import DECODERS, AudioFormat, decode_payload
from bubblyphone.core.monitoring.logs import in_context
from calls.after_call.wav_file import WavFile
from calls.session.transport import SILENCE, AudioSink, CallerFrame, DirectTransport, LineBroken, MediaTransport
from phone_numbers.carriers.media_protocol import MarkReached

logger = logging.getLogger(__name__)
WRITE_SECONDS = 1.0
# More recent audio stays in memory, because it can still be cleared or moved.
HOLD_SECONDS = 1.5
# Base64 text that may wait for the thread: about six minutes of a call. Anything beyond is silence in the recording.
MAX_WAITING = 8_000_000
# If a caller's audio stays this late for this long, it is not delayed: some of it was lost.
LATE_SECONDS = 0.1
LATE_FOR_SECONDS = 0.5

CALLER, AGENT, CLEAR = "caller", "agent", "clear"
_writers = ThreadPoolExecutor(1, thread_name_prefix="tape")


class Channel:
    """One side, in its own encoding: audio that is not written yet. Positions are samples since the beginning."""

    def __init__(self, audio_format: AudioFormat, begin: int) -> None:
        self._width = 2 if audio_format.encoding == "pcm16" else 1
        self._silence = SILENCE[audio_format.encoding] * self._width
        self._decode = DECODERS[audio_format.encoding]
        self._begin = self.end = begin
        self._data = bytearray()

    def put(self, position: int, data: bytes) -> None:
        """Add sound at a position; if there is sound already, at the end."""
        if position > self.end:
            self.pad(position)
        self.append(data)

    def append(self, data: bytes) -> None:
        """Add sound at the end."""
        self._data += data
        self.end += len(data) // self._width

    def pad(self, position: int) -> None:
        """Add silence up to a position."""
        self.append(self._silence * (position - self.end))

    def insert(self, position: int, count: int) -> None:
        """Insert silence; audio that is already written stays unchanged."""
        at = max(0, position - self._begin) * self._width
        self._data[at:at] = self._silence * count
        self.end += count

    def cut(self, position: int) -> None:
        """Drop everything after a position."""
        position = max(position, self._begin)
        del self._data[(position - self._begin) * self._width :]
        self.end = min(self.end, position)

    def take(self, position: int) -> bytes:
        """Take PCM16 up to a position, which then counts as written."""
        self.pad(position)
        size = (position - self._begin) * self._width
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._begin = position
        return self._decode(taken)


class Mix:
    """Determines the position of each piece. Times are seconds of one monotonic clock."""

    def __init__(self, audio_format: AudioFormat, file: WavFile, began: float) -> None:
        """`began` is when the file's first sample was heard, as far as it is known: the fastest piece shows it."""
        self._is_new = not file.frames
        self._rate = audio_format.sample_rate
        self._width = 2 if audio_format.encoding == "pcm16" else 1
        self._file = file
        self._zero = began
        self._caller, self._agent = Channel(audio_format, file.frames), Channel(audio_format, file.frames)
        self._most_late = LATE_SECONDS * self._rate
        self._late_since: tuple[float, int] | None = None  # time and position
        self._least_late = 0

    def position(self, at: float) -> int:
        return round((at - self._zero) * self._rate)

    def heard(self, at: float, data: bytes) -> None:
        """The caller's next piece, whose last sample has just arrived."""
        data = self._whole(data)
        caller = self._caller
        late = self.position(at) - len(data) // self._width - caller.end
        if late < 0:
            # No piece was faster than this: it defines the clock of the caller's audio.
            self._zero += late / self._rate
            if self._is_new:
                self._file.began_at += timedelta(seconds=late / self._rate)
        if late >= self._most_late:
            self._track_gap(at, late)
        else:
            self._late_since = None
        caller.append(data)

    def _whole(self, data: bytes) -> bytes:
        """The data without an incomplete sample at the end."""
        return data if self._width == 1 else data[: len(data) // self._width * self._width]

    def _track_gap(self, at: float, late: int) -> None:
        if self._late_since is None:
            self._late_since, self._least_late = (at, self._caller.end), late
        self._least_late = min(self._least_late, late)
        if at - self._late_since[0] >= LATE_FOR_SECONDS:
            self._caller.insert(self._late_since[1], self._least_late)
            self._late_since = None

    def said(self, at: float, data: bytes) -> None:
        """The agent's next piece, heard immediately or after the audio still being played."""
        self._agent.put(self.position(at), self._whole(data))

    def cleared(self, at: float) -> None:
        """Drop pending audio."""
        self._agent.cut(self.position(at))

    def write(self, at: float) -> None:
        """Write audio that is old enough."""
        self._write_to(self.position(at - HOLD_SECONDS))

    def finish(self, at: float) -> None:
        """Write the rest, as far as it was heard."""
        self._write_to(max(self._caller.end, min(self._agent.end, self.position(at))))

    def _write_to(self, position: int) -> None:
        if position > self._file.frames:
            self._file.append(self._caller.take(position), self._agent.take(position))


class RecordingWriter:
    """Writes the pending audio of all recordings of an event loop once a second, in one job of the writer thread."""

    def __init__(self) -> None:
        self._recorders: set[CallRecorder] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, recorder: "CallRecorder") -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first recording, or a new loop in the same process (in tests)
            self._loop, self._recorders, self._task = loop, set(), None
        self._recorders.add(recorder)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._write_each_second(loop))

    def remove(self, recorder: "CallRecorder") -> None:
        self._recorders.discard(recorder)

    async def _write_each_second(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._recorders:
            await asyncio.sleep(WRITE_SECONDS)
            await loop.run_in_executor(_writers, _write_all, [*self._recorders])


def _write_all(recorders: "Sequence[CallRecorder]") -> None:
    for recorder in recorders:
        recorder.context.run(recorder.write)


WRITER = RecordingWriter()


class CallRecorder:
    """The recording of one call: `heard`, `said` and `cleared` are for the event loop and return at once."""

    def __init__(self, path: Path, audio_format: AudioFormat, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._format = audio_format
        self._now = now
        self._waiting: deque[tuple[float, str, str]] = deque()
        self._put = self._taken = 0  # base64 characters; each counter is used by one side only
        self._mix: Mix | None = None
        self._file: WavFile | None = None
        self._is_broken = False
        self.context = contextvars.copy_context()  # with the call's IDs, for log lines of the writer thread
        WRITER.add(self)

    def heard(self, payload: str) -> None:
        self._note(CALLER, payload)

    def said(self, payload: str) -> None:
        self._note(AGENT, payload)

    def cleared(self) -> None:
        self._note(CLEAR, "")

    def _note(self, kind: str, payload: str) -> None:
        if self._put - self._taken < MAX_WAITING:
            self._put += len(payload)
            self._waiting.append((self._now(), kind, payload))

    async def close(self) -> None:
        """Write the rest and close the file."""
        WRITER.remove(self)
        await asyncio.get_running_loop().run_in_executor(_writers, in_context(self._finish, self._now()))

    # --- in the thread ------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write all audio older than HOLD_SECONDS."""
        self._guarded(lambda mix: mix.write(self._now()))

    def _finish(self, at: float) -> None:
        self._guarded(lambda mix: mix.finish(at))
        if self._file is not None:
            with contextlib.suppress(OSError):  # it tries once more to write what a full disk did not take
                self._file.close()

    def _guarded(self, write: Callable[[Mix], None]) -> None:
        """If writing fails, only this recording ends. Its call and other recordings continue."""
        try:
            mix = self._place_waiting()
            if mix is not None and not self._is_broken:
                write(mix)
        except Exception:
            self._is_broken = True
            logger.exception("Writing a recording failed", extra={"file": self._path.name})

    def _place_waiting(self) -> Mix | None:
        waiting = self._waiting
        while waiting:
            at, kind, payload = waiting.popleft()
            self._taken += len(payload)
            if self._is_broken:
                continue
            data = _decoded(payload)
            mix = self._mix or self._open(at, len(data) if kind == CALLER else 0)
            if kind == CALLER:
                mix.heard(at, data)
            elif kind == AGENT:
                mix.said(at, data)
            else:
                mix.cleared(at)
        return self._mix

    def _open(self, at: float, length: int) -> Mix:
        """The file starts with the first piece, or was started by an earlier session."""
        age = self._now() - at + length / self._format.bytes_per_ms / 1000
        now = timezone.now()
        self._file = WavFile(self._path, self._format.sample_rate, now - timedelta(seconds=age))
        began = self._now() - (now - self._file.began_at).total_seconds()
        self._mix = Mix(self._format, self._file, began)
        return self._mix


def _decoded(payload: str) -> bytes:
    try:
        return decode_payload(payload)
    except ValueError:
        return b""  # invalid data from a model or a carrier: the session loses it, too


class RecordedTransport:
    """A media connection with a recording tap."""

    def __init__(self, transport: MediaTransport, tape: CallRecorder) -> None:
        self._transport = transport
        # Checked once: `isinstance` with a protocol takes longer than everything else that is done for a frame.
        self._direct = transport if isinstance(transport, DirectTransport) else None
        self._tape = tape
        self.audio_format = transport.audio_format

    @property
    def is_direct(self) -> bool:
        return self._direct is not None and self._direct.is_direct

    def hand_audio_to(self, sink: AudioSink) -> None:
        if self._direct is None:
            return
        note = self._tape.heard

        def heard(frame: str | MarkReached) -> bool:
            is_taken = sink(frame)
            if is_taken and type(frame) is str:
                note(frame)
            return is_taken

        self._direct.hand_audio_to(heard)

    async def frames(self) -> AsyncIterator[CallerFrame]:
        heard = self._tape.heard
        async for frame in self._transport.frames():
            if type(frame) is str:
                heard(frame)
            elif isinstance(frame, LineBroken):
                self._tape.cleared()  # pending audio is lost with the connection
            yield frame

    async def send_audio(self, payload: str) -> None:
        await self._transport.send_audio(payload)
        self._tape.said(payload)

    async def send_mark(self, name: str) -> None:
        await self._transport.send_mark(name)

    def stop(self) -> None:
        """The conversation is over: drop pending audio."""
        self._tape.cleared()

    async def clear(self) -> None:
        await self._transport.clear()
        self._tape.cleared()
