"""The protocol between the platform and its speech workers: small framed messages over pipes, both ways.

A frame is a 9-byte header (kind, id, length of the body) and the body. The id identifies a request or a stream; the
platform assigns it. This module has the blocking code for the worker's end; the asyncio end is in `agents.speech.worker`.
"""

import os
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from enum import IntEnum
from typing import BinaryIO

HEADER = struct.Struct("<BII")


class Kind(IntEnum):
    """The meaning of a frame. The first group goes to a worker, the second comes from it."""

    SYNTHESIZE = 1  # sample rate (u32 LE) + UTF-8 text → AUDIO…, DONE
    TRANSCRIBE = 2  # PCM16 mono 16 kHz → RESULT (JSON: text, confidence)
    EMBED = 3  # JSON list of sentences → RESULT (float32 matrix, one row of 384 per sentence)
    LISTEN = 4  # PCM16 mono 16 kHz of the stream `id`, whole windows of 512 samples → PROBABILITIES
    FORGET = 5  # the stream `id` has ended
    WARM_UP = 6  # load every model → DONE

    AUDIO = 16  # PCM16 mono at the requested rate
    RESULT = 17
    PROBABILITIES = 18  # one float32 per window: the probability of speech
    DONE = 19
    FAILED = 20  # UTF-8 message


class WorkerPipes:
    """A worker's end: receives frames from the platform, and sends frames to it.

    Takes over standard output at construction: output of libraries goes to standard error, never between two frames.
    """

    def __init__(self) -> None:
        # Ctrl-C reaches the whole process group. A worker ends with its pipe instead, so that a last sentence can be spoken.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._input: BinaryIO = sys.stdin.buffer
        self._output: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._write_lock = threading.Lock()

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (kind, id, body) until the platform closes the pipe or dies."""
        while True:
            header = self._input.read(HEADER.size)
            if len(header) < HEADER.size:
                return
            kind, frame_id, length = HEADER.unpack(header)
            body = self._input.read(length)
            if len(body) < length:
                return
            yield kind, frame_id, body

    def send(self, kind: Kind, frame_id: int, body: bytes = b"") -> None:
        """Send one frame, from any thread. Ends the process if the pipe has no reader."""
        data = HEADER.pack(kind, frame_id, len(body)) + body
        with self._write_lock:
            try:
                view = memoryview(data)
                while view:
                    view = view[self._output.write(view) :]
            except BrokenPipeError:
                os._exit(0)
