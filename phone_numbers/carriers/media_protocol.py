"""A carrier's media protocol as two directions of text frames. No I/O."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from bubblyphone.core.audio import AudioFormat


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The stream starts: the call it belongs to, and the format of the incoming audio, whatever we requested."""

    carrier_call_id: str
    audio_format: AudioFormat


@dataclass(frozen=True, slots=True)
class MarkReached:
    """Playback has reached one of our marks, or a clear has dropped it."""

    name: str


@dataclass(frozen=True, slots=True)
class DtmfPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The carrier ends the stream."""


@dataclass(frozen=True, slots=True)
class StreamError:
    """The carrier rejected one of our frames."""

    detail: str


# A plain str is caller audio, base64 in the stream's format: the most frequent case creates no object.
MediaFrame = str | StreamStarted | MarkReached | DtmfPressed | StreamStopped | StreamError | None


class MediaProtocol(ABC):
    """Frames of one connection, in and out.

    `decode` returns None for frames without significance; malformed frames raise ValueError.
    """

    shortest_piece_ms: ClassVar[int] = 0  # of audio per frame
    # How to recognize a frame of caller audio without parsing: its event, its track, and the text before its payload, in each
    # spelling of the carrier. With quotes and colon these cannot occur inside a string of JSON, where quotes are escaped.
    audio_marks: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # The same for a report that playback has reached a mark: the text of its event, and the text before the mark's name.
    mark_patterns: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, started: StreamStarted) -> None:
        self.started = started

    @classmethod
    @abstractmethod
    def begin(cls, frame: str) -> Self | None:
        """The protocol of a connection whose stream starts with this frame; None before that. Malformed frames raise ValueError."""

    def audio_in(self, frame: str) -> str | None:
        """The caller's audio of a pure audio frame, as base64; None for all others, which `decode` reads."""
        for media_event, track, payload in self.audio_marks:
            head, found, rest = frame.partition(payload)
            if found:
                text, end, _ = rest.partition('"')
                # JSON may write base64's slash as "\/"; found, the frame is parsed.
                return text if media_event in head and track in head and end and "\\" not in text else None
        return None

    def mark_in(self, frame: str) -> MarkReached | None:
        """The mark that a frame reports, without parsing JSON. None for other frames and for names with escapes, which `decode` reads."""
        for event, name in self.mark_patterns:
            _, found, rest = frame.partition(name)
            if found:
                text, end, _ = rest.partition('"')
                return MarkReached(text) if event in frame and end and "\\" not in text else None
        return None

    def decode(self, frame: str) -> MediaFrame:
        audio = self.audio_in(frame)
        return self.parse(frame) if audio is None else audio

    @abstractmethod
    def parse(self, frame: str) -> MediaFrame:
        """What a frame says that `audio_in` does not read."""

    @abstractmethod
    def encode_audio(self, payload: str) -> str: ...

    @abstractmethod
    def encode_mark(self, name: str) -> str: ...

    @abstractmethod
    def encode_clear(self) -> str: ...
