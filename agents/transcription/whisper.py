"""Whisper through the OpenAI SDK, which Groq's API is made for: https://console.groq.com/docs/speech-to-text"""

from typing import Any

import numpy as np
from openai.types.audio import TranscriptionVerbose

from agents.model_catalog.languages import nearest_code
from agents.openai_client import failing_as, make_client
from agents.transcription.base import Segment, Transcriber, TranscriptionError
from bubblyphone.core.audio import wav_file

# A piece has to fit into a job's minute.
TIMEOUT_SECONDS = 40.0
# The provider takes 25 MB. Smaller pieces (5 min at 8 kHz) are sooner done, and cheap to repeat.
MAX_UPLOAD_BYTES = 5_000_000
# Whisper invents sentences in silence; these are the thresholds by which its own program drops them.
NO_SPEECH_PROBABILITY = 0.6
LEAST_LOG_PROBABILITY = -1.0
# Mean amplitude of a tenth of a second below which a line is idle.
IDLE_AMPLITUDE = 60
# https://github.com/openai/whisper/blob/main/whisper/tokenizer.py
_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja jw ka "
    "kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw "
    "ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)
LANGUAGES = _CODES.split()


class WhisperTranscriber(Transcriber):
    """One model of one account."""

    is_charged = True
    max_bytes = MAX_UPLOAD_BYTES

    def __init__(self, *, api_key: str, base_url: str, model: str) -> None:
        self._client = make_client(api_key=api_key, base_url=base_url, timeout_seconds=TIMEOUT_SECONDS)
        self._model = model
        self.source = f"groq:{model}"

    def transcribe(self, pcm16: bytes, sample_rate: int, language: str) -> list[Segment]:
        if is_idle(pcm16, sample_rate):
            return []
        code = nearest_code(language, LANGUAGES)
        options: dict[str, Any] = {"language": code} if code else {}
        with failing_as(TranscriptionError, "The transcription provider"):
            answer: TranscriptionVerbose = self._client.audio.transcriptions.create(
                file=("call.wav", wav_file(pcm16, sample_rate), "audio/wav"),
                model=self._model,
                response_format="verbose_json",
                timestamp_granularities=["segment"],
                temperature=0,
                **options,
            )
        return _spoken(answer)


def is_idle(pcm16: bytes, sample_rate: int) -> bool:
    """Whether a line carries nothing but its own noise."""
    block = sample_rate // 10
    samples = np.abs(np.frombuffer(pcm16, "<i2").astype(np.int32))
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    return not len(whole) or float(whole.mean(axis=1).max()) < IDLE_AMPLITUDE


def _spoken(answer: TranscriptionVerbose) -> list[Segment]:
    return [
        Segment(float(one.start), float(one.end), one.text.strip().replace("\x00", ""))
        for one in answer.segments or []
        if one.text.strip()
        and not (one.no_speech_prob > NO_SPEECH_PROBABILITY and one.avg_logprob < LEAST_LOG_PROBABILITY)
    ]
