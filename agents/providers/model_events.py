"""The events of a model session, the same for all vendors. Only audio is frequent; all events are frozen and cheap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """A piece of the answer `item_id`, base64 in the session's output format."""

    item_id: str
    payload: str


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller speaks. If the model was speaking, its answer is canceled: pending audio must be dropped."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller has finished: it is the model's turn. Not every provider reports it."""


@dataclass(frozen=True, slots=True)
class InputTranscript:
    """A complete utterance of the caller."""

    text: str


@dataclass(frozen=True, slots=True)
class OutputTranscript:
    """The complete text of the model's answer `item_id`, reported once it is known.

    It may come before the audio has been played; an interrupted answer reports the text so far. `is_commentary`: said by a thinking model
    before its final answer.
    """

    item_id: str
    text: str
    is_commentary: bool = False


@dataclass(frozen=True, slots=True)
class OutputText:
    """A piece of the answer `item_id` in a text session. The complete text follows as an OutputTranscript."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a function. Several calls can run in parallel; each is answered by its `call_id`."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCallsCanceled:
    """The model no longer needs these results; sending one is harmless."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The model has finished generating its answer (not: the caller has heard it)."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The provider's connection was replaced by the provider's own mechanism (Gemini's resumption).

    `mid_answer`: the model was speaking, or the caller was waiting for it; it does not continue on its own.
    """

    reason: str
    mid_answer: bool = False


ModelEvent = (
    AudioDelta
    | SpeechStarted
    | SpeechStopped
    | InputTranscript
    | OutputTranscript
    | OutputText
    | ToolCall
    | ToolCallsCanceled
    | TurnDone
    | Reconnected
)
