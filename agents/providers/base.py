"""The interface between a call and the model that speaks in it.

A provider ships one `RealtimeModel` (settings, a factory) and one `RealtimeSession` (one live connection). A call talks to the
session in a few verbs and reads `agents.providers.model_events` from it; it never asks which provider it has.

Audio travels as *payloads*: base64 text of raw codec bytes, which is what carriers and providers put on the wire. Where the
formats of both sides agree, a payload goes through untouched. A session states its two formats; the call converts
(`bubblyphone.core.audio.make_transcoder`).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from agents.cues import Cue, say_exactly, whispered
from agents.model_catalog.model_capabilities import Capabilities
from agents.providers.model_events import InputTranscript, ModelEvent, OutputTranscript
from bubblyphone.core.audio import AudioFormat

# Session settings that a call can do without.
Choice = Literal["voice", "language"]


def late_result(tool: str, result: Mapping[str, Any]) -> str:
    """The text for a tool result whose call belongs to an earlier session of the model."""
    return f"Result of {tool}, which you asked for: {orjson.dumps(result).decode()}"


class ProviderError(Exception):
    """A provider refused, failed or could not be reached.

    `retryable` is False if the same request would fail again (wrong key, unknown model): the call then ends with `model_failed` instead
    of reconnecting.
    """

    def __init__(self, message: str, *, retryable: bool, refused: Choice | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.refused = refused  # the same session may be accepted without it


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function that the model can call. `parameters` is JSON Schema (the short form is already expanded)."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    speak_while_waiting: str = ""  # spoken to the caller if the function takes long


@dataclass(frozen=True, slots=True)
class Turn:
    """A completed utterance, given to a new session so that it continues where the previous one stopped."""

    role: str  # "user" or "model"
    text: str


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Everything a model session needs to know, resolved when the call starts and never changed."""

    upstream_model: str
    instructions: str
    caller_format: AudioFormat
    voice: str = ""  # in the vendor's spelling; empty: the vendor's default
    language: str = ""  # the vendor's code; empty: the model decides
    capabilities: Capabilities = field(default_factory=Capabilities)
    tools: tuple[ToolSpec, ...] = ()
    # Call settings that the model itself applies, by name (agents.agent_settings.provider_placement). Absent: its default.
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    # Only transcribe the caller, as `InputTranscript`; do not answer, as far as the vendor supports that.
    listens_only: bool = False
    is_text: bool = False  # the caller types and reads: `send_text` and OutputText instead of audio
    api_key: str = field(default="", repr=False)  # the developer's own key (BYOK); empty: the platform's

    @property
    def interruptible(self) -> bool:
        return bool(self.settings.get("interruptible", True))

    @property
    def interruption_sensitivity(self) -> str:
        return str(self.settings.get("interruption_sensitivity", "medium"))


class RealtimeModel(ABC):
    """A provider's settings and session factory. Built once per process from `settings.MODEL_PROVIDERS`."""

    # Seconds of silence after the caller has spoken before the call prompts or reconnects the model (calls.session.dead_air).
    answer_seconds = 3.0

    @abstractmethod
    def is_available(self) -> bool:
        """Whether a session can be opened with the current configuration (a key, installed packages). No I/O."""

    async def warm_up(self) -> None:  # noqa: B027  most providers have nothing to load
        """Load whatever would delay the first call; run at server start. Raises ProviderError."""

    @abstractmethod
    async def connect(self, config: SessionConfig) -> "RealtimeSession":
        """Open a session, configured and ready to listen, within 10 s. Raises ProviderError."""


class RealtimeSession(ABC):
    """One live conversation with a model. Not shared between tasks, except that one task reads `events()`."""

    input_format: AudioFormat
    output_format: AudioFormat
    # Whether the model can speak while it waits for a tool result.
    speaks_during_tools = True
    # Whether `send_audio` and `truncate` never wait, so they can be called from code that cannot wait.
    is_direct = False
    # Called with the model's audio, item id and payload, in the callback that read it, while the reader of `events` is waiting. If it
    # returns False, the audio goes to the reader. It must not raise. Sessions without a short path ignore it.
    audio_sink: Callable[[str, str], bool] | None = None
    # Called in the same way with the report that the caller started to speak. If it returns False, `events` yields SpeechStarted.
    speech_sink: Callable[[], bool] | None = None

    @abstractmethod
    async def send_audio(self, payload: str) -> None:
        """Send caller audio in `input_format`, any length, at the pace it arrives. Raises ProviderError when closed."""

    @abstractmethod
    async def send_text(self, text: str) -> None:
        """Text typed by the caller, in a text session (`SessionConfig.is_text`). Answered like speech. Raises ProviderError."""

    @abstractmethod
    def events(self) -> AsyncIterator[ModelEvent]:
        """The model's events until the session closes. Raises ProviderError unless `close()` closed it."""

    @abstractmethod
    async def generate_reply(self, instructions: str) -> None:
        """Make the model speak now, without waiting for the caller: the greeting, or a platform `Cue`."""

    async def say(self, text: str) -> None:
        """Have the model say exactly this text to the caller."""
        await self.generate_reply(say_exactly(text))

    @abstractmethod
    async def send_context(self, message: str) -> None:
        """Add a note from the developer to the conversation, for the model's next answer."""

    async def send_notice(self, message: str) -> None:
        """Tell the model what happened in the call. Unlike a developer's note, none of it is meant for the caller."""
        await self.send_context(message)

    async def advise(self, message: str, cue: Cue) -> None:
        """Tell the model what happened in the call, and make it speak about it now."""
        await self.send_notice(message)
        await self.generate_reply(cue)

    async def follow(self, instruction: str, *, at_once: bool) -> None:
        """Give the model an instruction from a person who follows the call, for its next answer; `at_once`: answer now."""
        await self.send_notice(whispered(instruction))
        if at_once:
            await self.generate_reply(Cue.FOLLOW_WHISPER)

    @abstractmethod
    async def truncate(self, item_id: str, heard_ms: int) -> None:
        """Tell the model that the caller heard only `heard_ms` of its answer `item_id`. Does nothing if the vendor has no such message."""

    @abstractmethod
    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        """Answer a ToolCall. The model continues automatically once all calls of its turn are answered."""

    async def send_late_result(self, name: str, result: Mapping[str, Any], *, is_last: bool) -> None:
        """Give the result of a tool that an earlier session called; after the last one the model answers with it."""
        await self.send_notice(late_result(name, result))
        if is_last:
            await self.generate_reply(Cue.ANSWER_WITH_RESULTS)

    @abstractmethod
    async def close(self) -> None:
        """Close for good. May be called twice, and on a session that failed."""

    @property
    def owes_words(self) -> bool:
        """Whether an `InputTranscript` may still be missing for something the caller said."""
        return False

    async def end_input(self) -> None:  # noqa: B027  most models finish by themselves
        """The caller has hung up: transcribe what was heard last, without answering it."""

    def unfinished(self) -> list[InputTranscript | OutputTranscript]:
        """For a closed session: what both sides said that was not reported yet, as far as its text is known."""
        return []
