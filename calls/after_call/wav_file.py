"""A growing stereo WAV file: if its writer dies, everything written so far can be played.

Its header has the start of the recording (LIST/INFO, ICRD), so that it can be continued in step with the clock.
"""

import os
import struct
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS  # PCM16
_DATE_BYTES = 28  # "2026-11-22T12:00:00.000000Z" and a null
_HEADER = struct.Struct(f"<4sI4s 4sI4s 4sI{_DATE_BYTES}s 4sIHHIIHH 4sI")


class WavFile:
    """A WAV file open for appending. `frames` is its length, in samples per channel."""

    def __init__(self, path: Path, sample_rate: int, began_at: datetime) -> None:
        """Create a file, or continue an existing one; `began_at` is then the start of the existing one."""
        self.began_at = began_at
        self.sample_rate = sample_rate
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        stored = self._file.read(_HEADER.size)
        if len(stored) == _HEADER.size:
            self.began_at, self.sample_rate = _read_header(stored)
        size = self._file.seek(0, os.SEEK_END) - _HEADER.size
        self.frames = max(0, size) // FRAME_BYTES
        self._write_header()

    def append(self, left: bytes, right: bytes) -> None:
        """Add PCM16 of the same length to both channels."""
        pair = np.column_stack((np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")))
        self._file.seek(_HEADER.size + self.frames * FRAME_BYTES)
        self._file.write(pair.tobytes())
        self.frames += len(pair)
        # The header is updated after the data, so that it never claims more than exists.
        self._write_header()

    def cut_or_pad(self, frames: int) -> None:
        """Make the file exactly this many samples long by adding silence or dropping the end."""
        if frames < self.frames:
            self.frames = frames
            self._write_header()
            self._file.truncate(_HEADER.size + frames * FRAME_BYTES)
        while self.frames < frames:
            silence = bytes(2 * min(frames - self.frames, self.sample_rate))
            self.append(silence, silence)

    def close(self) -> None:
        self._file.close()

    def _write_header(self) -> None:
        size, rate = self.frames * FRAME_BYTES, self.sample_rate
        date = self.began_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
        header = _HEADER.pack(
            *(b"RIFF", _HEADER.size - 8 + size, b"WAVE"),
            *(b"LIST", 12 + _DATE_BYTES, b"INFO", b"ICRD", _DATE_BYTES, date),
            *(b"fmt ", 16, 1, CHANNELS, rate, rate * FRAME_BYTES, FRAME_BYTES, 16),
            *(b"data", size),
        )
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()


def began_at(path: Path) -> datetime:
    """When the first sample of a file written here was heard. Raises OSError, EOFError for other files."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    return _read_header(header)[0]


def _read_header(header: bytes) -> tuple[datetime, int]:
    fields = _HEADER.unpack(header)
    return datetime.fromisoformat(fields[8].rstrip(b"\0").decode()), int(fields[13])


class StereoReader:
    """A stored recording. Raises wave.Error, EOFError for anything but a 16-bit WAV file."""

    def __init__(self, file: IO[Any]) -> None:
        self._wave = wave.Wave_read(file)
        if self._wave.getsampwidth() != 2:
            raise wave.Error("not a 16-bit recording")
        self.sample_rate, self.frames = self._wave.getframerate(), self._wave.getnframes()
        self.channels = self._wave.getnchannels()

    @property
    def duration_ms(self) -> int:
        return round(self.frames * 1000 / self.sample_rate)

    def read(self, channel: int, first: int, count: int) -> bytes:
        """PCM16 of one channel (0: caller, 1: agent), starting at a frame; shorter at the end."""
        self._wave.setpos(min(first, self.frames))
        frames = np.frombuffer(self._wave.readframes(count), "<i2").reshape(-1, self.channels)
        return np.ascontiguousarray(frames[:, min(channel, self.channels - 1)]).tobytes()
