"""Speech recognition and synthesis for this process: four methods in front of both workers."""

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from agents.speech.assets import is_installed
from agents.speech.frames import Kind
from agents.speech.sentences import split_for_speech
from agents.speech.worker import SpeechError, Worker
from bubblyphone.core.json.documents import parse_stored_json

# Sentences per request to the embedder: about 80 ms, so that other calls get their turn.
EMBEDDING_BATCH = 16
EMBEDDING_WIDTH = 384
# Cached embeddings, because prompts and tools repeat from call to call. 1.5 kB each.
EMBEDDING_CACHE = 4096


@dataclass(frozen=True, slots=True)
class Transcription:
    """A recognition result. `confidence` is 0 to 1: about 0.94 if right, rarely right below 0.8."""

    text: str
    confidence: float


class Speech:
    """The two workers of one event loop; started when first needed, shared by all calls, and restarted if they die."""

    def __init__(self) -> None:
        self.stt = Worker("agents.speech.stt_worker")
        self.tts = Worker("agents.speech.tts_worker")
        self._embeddings: dict[str, NDArray[np.float32]] = {}
        self._warm: tuple[int | None, int | None] = (None, None)
        self._warming: asyncio.Task[None] | None = None

    async def warm_up(self) -> None:
        """Start both workers and load their models: takes about two seconds, or nothing if they already run.

        Raises SpeechError if the extra is missing. Canceling it does not stop the loading.
        """
        if not is_installed():
            raise SpeechError("The offline speech packages are not installed.")
        if None not in self._warm and self._warm == (self.stt.process_id, self.tts.process_id):
            return
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._load())
        await asyncio.shield(self._warming)

    async def _load(self) -> None:
        await asyncio.gather(self.stt.request_one(Kind.WARM_UP), self.tts.request_one(Kind.WARM_UP))
        self._warm = (self.stt.process_id, self.tts.process_id)

    async def synthesize(self, text: str, sample_rate: int = 16_000) -> AsyncGenerator[bytes, None]:
        """Synthesize `text`: PCM16 mono at `sample_rate`, a sentence (or a clause of a long one) at a time.

        Each piece is queued again, so that calls take turns. Raises SpeechError.
        """
        for piece in split_for_speech(text):
            body = struct.pack("<I", sample_rate) + piece.encode()
            async with aclosing(self.tts.request(Kind.SYNTHESIZE, body)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def transcribe(self, pcm16_16k: bytes) -> Transcription:
        """Recognize English speech of any length: PCM16 mono 16 kHz. Raises SpeechError."""
        answer = parse_stored_json(await self.stt.request_one(Kind.TRANSCRIBE, pcm16_16k))
        return Transcription(answer["text"], answer["confidence"])

    async def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """One row of 384 numbers per sentence, normalized to length 1: dot products measure how close sentences are in meaning."""
        known = {sentence: self._embeddings[sentence] for sentence in sentences if sentence in self._embeddings}
        missing = [sentence for sentence in dict.fromkeys(sentences) if sentence not in known]
        for start in range(0, len(missing), EMBEDDING_BATCH):
            batch = missing[start : start + EMBEDDING_BATCH]
            rows = np.frombuffer(await self.stt.request_one(Kind.EMBED, json.dumps(batch).encode()), "<f4")
            known.update(zip(batch, rows.reshape(-1, EMBEDDING_WIDTH), strict=True))
        if len(self._embeddings) + len(missing) > EMBEDDING_CACHE:
            self._embeddings.clear()
        self._embeddings.update(known)
        if not sentences:
            return np.zeros((0, EMBEDDING_WIDTH), np.float32)
        return np.stack([known[sentence] for sentence in sentences])

    async def close(self) -> None:
        """End both workers."""
        if self._warming is not None:
            self._warming.cancel()
        await asyncio.gather(self.stt.close(), self.tts.close())


_speech_of: WeakKeyDictionary[asyncio.AbstractEventLoop, Speech] = WeakKeyDictionary()


def get_speech() -> Speech:
    """The running event loop's workers. They start with the first request and end with the process, or by `close()`."""
    return _speech_of.setdefault(asyncio.get_running_loop(), Speech())
