"""The STT worker: voice activity, speech recognition and sentence embeddings. It runs as
`python -m` and is never imported.

The reading thread answers voice activity immediately (0.2 ms per window); recognition and embeddings each have a queue and a thread,
so one caller's long sentence does not delay the barge-in of others. onnxruntime releases the interpreter lock.
"""

import gc
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from agents.speech.frames import Kind, WorkerPipes
from agents.speech.minilm import MiniLm
from agents.speech.moonshine import Moonshine
from agents.speech.silero import WINDOW, Memory, Silero
from bubblyphone.core.json.documents import parse_stored_json


def _samples(pcm: bytes) -> NDArray[np.float32]:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


class SpeechListener:
    """The models, and the state of each stream."""

    def __init__(self, pipes: WorkerPipes) -> None:
        self._pipes = pipes
        self._silero, self._moonshine, self._minilm = Silero(), Moonshine(), MiniLm()
        self._memories: dict[int, Memory] = {}
        self._recognizer = ThreadPoolExecutor(1, "recognizer")
        self._embedder = ThreadPoolExecutor(1, "embedder")

    def handle(self, kind: int, frame_id: int, body: bytes) -> None:
        """Answer one frame, immediately or from a thread."""
        if kind == Kind.LISTEN:
            self._listen(frame_id, body)
        elif kind == Kind.FORGET:
            self._memories.pop(frame_id, None)
        elif kind == Kind.TRANSCRIBE:
            self._recognizer.submit(self._guarded, frame_id, lambda: self._transcribe(body))
        elif kind == Kind.EMBED:
            self._embedder.submit(self._guarded, frame_id, lambda: self._embed(body))
        elif kind == Kind.WARM_UP:
            self._recognizer.submit(self._guarded, frame_id, self._warm_up)

    def _listen(self, stream_id: int, body: bytes) -> None:
        memory = self._memories.setdefault(stream_id, Memory())
        windows = _samples(body).reshape(-1, WINDOW)
        probabilities = np.array([self._silero.probability(window, memory) for window in windows], "<f4")
        self._pipes.send(Kind.PROBABILITIES, stream_id, probabilities.tobytes())

    def _guarded(self, frame_id: int, answer: Callable[[], bytes]) -> None:
        try:
            self._pipes.send(Kind.RESULT, frame_id, answer())
        except Exception as exc:  # noqa: BLE001 - one sound that a model stumbles over must not deafen every call
            self._pipes.send(Kind.FAILED, frame_id, repr(exc).encode())

    def _transcribe(self, body: bytes) -> bytes:
        text, confidence = self._moonshine.transcribe(_samples(body))
        return json.dumps({"text": text, "confidence": confidence}).encode()

    def _embed(self, body: bytes) -> bytes:
        sentences: list[str] = parse_stored_json(body)
        return np.array([self._minilm.embed(sentence) for sentence in sentences], "<f4").tobytes()

    def _warm_up(self) -> bytes:
        self._minilm.embed("Hello.")
        self._moonshine.transcribe(np.zeros(16_000, np.float32))
        return b""


def main() -> None:
    pipes = WorkerPipes()
    ears = SpeechListener(pipes)
    gc.freeze()
    os.nice(2)  # the audio of running calls has priority over pending recognition
    for kind, frame_id, body in pipes.frames():
        ears.handle(kind, frame_id, body)


if __name__ == "__main__":
    main()
    os._exit(0)  # the threads' remaining results are not needed
