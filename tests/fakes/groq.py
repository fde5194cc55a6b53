"""Groq's transcription endpoint: accepts documented requests, responds from a script, and validates its responses with the SDK's types."""

import io
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web
from openai.types.audio import TranscriptionVerbose

PATH = "/openai/v1/audio/transcriptions"
MAX_BYTES = 25_000_000


@dataclass
class Heard:
    """An upload as received."""

    model: str
    language: str
    sample_rate: int
    pcm16: bytes

    @property
    def seconds(self) -> float:
        return len(self.pcm16) / 2 / self.sample_rate

    @property
    def is_loud(self) -> bool:
        return bool(np.abs(np.frombuffer(self.pcm16, "<i2").astype(np.int32)).max(initial=0) > 500)


@dataclass
class FakeGroq:
    """Responds in order: with lists of (start, end, text), or an error status. After the last, with an empty transcript."""

    answers: list[list[tuple[float, float, str]] | int] = field(default_factory=list)
    key: str = "gsk-of-the-platform"
    heard: list[Heard] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.transcribe)]

    async def transcribe(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return refusal(401, "Invalid API Key")
        form = await request.post()
        sound = form["file"]
        assert isinstance(sound, web.FileField)
        if (form["response_format"], form["timestamp_granularities[]"]) != ("verbose_json", "segment"):
            return refusal(400, "This fake gives segments alone.")
        content = sound.file.read()
        if len(content) > MAX_BYTES:
            return refusal(413, "Request Entity Too Large")
        with wave.open(io.BytesIO(content)) as file:
            assert file.getnchannels() == 1
            heard = Heard(str(form["model"]), str(form.get("language", "")), file.getframerate(), file.readframes(-1))
        self.heard.append(heard)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, int):
            return refusal(answer, "Refused by script.")
        return web.json_response(verbose(answer, heard.seconds))


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "refused"}}, status=status)


def verbose(spoken: list[tuple[float, float, str]], seconds: float) -> dict[str, Any]:
    """The body for `response_format=verbose_json`."""
    segments = [
        {
            "id": place,
            "seek": 0,
            "start": start,
            "end": end,
            "text": f" {text}",
            "tokens": [50365],
            "temperature": 0,
            "avg_logprob": -0.12 if not text.startswith("?") else -1.4,
            "compression_ratio": 0.8,
            "no_speech_prob": 1e-11 if not text.startswith("?") else 0.9,
        }
        for place, (start, end, text) in enumerate(spoken)
    ]
    text = "".join(str(segment["text"]) for segment in segments)
    body = {"task": "transcribe", "language": "English", "duration": seconds, "text": text, "segments": segments}
    TranscriptionVerbose.model_validate(body)
    return {**body, "x_groq": {"id": "req_01j"}}
