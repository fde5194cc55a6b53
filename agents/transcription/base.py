"""The interface of transcribers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """What was said from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


class TranscriptionError(Exception):
    """There is no text; the message is for the developer. `retryable`: the same may go well later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Transcriber(ABC):
    """`source` names it in results. Calls block; they belong into jobs."""

    source: str
    is_charged: bool
    max_bytes: int  # of PCM16 that it takes at once

    @abstractmethod
    def transcribe(self, pcm16: bytes, sample_rate: int, language: str) -> list[Segment]:
        """Write down one voice: mono PCM16 of at most `max_bytes`, in a language (BCP 47; "" is unknown). Raises TranscriptionError."""
