"""The interface to the telephone network. Numbers and calls name their carrier; no code asks which it is.

REST calls are synchronous: services and jobs make them, never the audio path and never inside a transaction. Media frames have
their own codec, without I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bubblyphone.core.audio import AudioFormat
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.media_codec import MediaCodec


class CarrierError(Exception):
    """The carrier refused or could not be reached. `retryable`: the same request may succeed later.

    `reason` is machine-readable where callers decide by it: "call_ended", "not_answered", "number_unavailable", "rejected",
    "unreachable" (nothing was sent), "not_configured", "outcome_unknown" (sent, and perhaps carried out, but not properly answered).
    """

    def __init__(self, message: str, *, retryable: bool = False, reason: str = "rejected") -> None:
        super().__init__(message)
        self.retryable = retryable
        self.reason = reason


class InvalidSignature(Exception):
    """A webhook that does not come from the carrier, or is too old."""


@dataclass(frozen=True, slots=True)
class AvailableNumber:
    """A number on offer, with the fields of GET /phone-numbers/available."""

    phone_number: str
    phone_number_type: str
    features: list[dict[str, str]]
    cost_information: dict[str, str]
    region_information: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class NumberOrder:
    """An order's state: "pending", "success" or "failure"."""

    order_id: str
    status: str


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Of the holder of a number, in the holder's country."""

    first_name: str
    last_name: str
    business_name: str
    street_address: str
    locality: str
    postal_code: str = ""
    administrative_area: str = ""


@dataclass(frozen=True, slots=True)
class RequirementAnswer:
    """The answer to one of the carrier's requirements: an address, a file, or a text."""

    requirement_id: str
    text: str = ""
    address: PostalAddress | None = None
    filename: str = ""
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The URL that the carrier sends the call's audio to; both directions are in `audio_format`."""

    url: str
    audio_format: AudioFormat


@dataclass(frozen=True, slots=True)
class CallState:
    """A call's current state at the carrier."""

    is_alive: bool


class Carrier(ABC):
    """Everything the platform needs from a telephone network. All methods raise CarrierError."""

    media_codec: MediaCodec
    max_speech_characters: int

    @abstractmethod
    def search_numbers(
        self,
        *,
        country: str,
        number_type: str = "",
        area_code: str = "",
        locality: str = "",
        contains: str = "",
        limit: int = 50,
    ) -> list[AvailableNumber]: ...

    @abstractmethod
    def order_number(self, *, e164: str, reference: str, requirement_group_id: str = "") -> NumberOrder:
        """Order a number found by a search, with the holder's documents where its country requires them (`submit_requirements`).

        Not repeatable: after an error ask `find_order` before trying again.
        """

    @abstractmethod
    def find_order(self, *, reference: str) -> NumberOrder | None: ...

    @abstractmethod
    def find_owned_number(self, *, e164: str) -> str | None:
        """The carrier's own id of a number that we own."""

    @abstractmethod
    def release_number(self, *, carrier_ref: str) -> None:
        """Release the number. One that was released already is no error."""

    @abstractmethod
    def dial(
        self,
        *,
        from_number: str,
        to_number: str,
        client_state: str,
        command_id: str,
        stream: StreamSettings | None,
        timeout_seconds: int,
        time_limit_seconds: int,
        detect_voicemail: bool = False,
    ) -> str:
        """Place a call; returns the carrier's id of it. `command_id` makes a repeat harmless."""

    @abstractmethod
    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None: ...

    @abstractmethod
    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        """Refuse a call that rings, as busy."""

    @abstractmethod
    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        """End a call. One that has ended already is no error."""

    @abstractmethod
    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None: ...

    @abstractmethod
    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        """Speak a text of at most `max_speech_characters` in the carrier's own voice, after speech in progress.

        `voice` and `language` (BCP 47) can be empty; unknown ones are replaced by the carrier's defaults.
        """

    @abstractmethod
    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        """Stop speech in progress and drop queued speech."""

    @abstractmethod
    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        """Transcribe the caller; with `interim` also report speech as soon as it starts. Starting twice is no error."""

    @abstractmethod
    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        """Stop transcribing the caller."""

    @abstractmethod
    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        """Record the call from now to its end: WAV, this leg left, the other party right."""

    @abstractmethod
    def transfer(
        self,
        *,
        carrier_call_id: str,
        command_id: str,
        from_number: str,
        to_number: str,
        leg_state: str,
        timeout_seconds: int,
        time_limit_seconds: int,
    ) -> None:
        """Call somebody else and connect the caller to them. Unanswered, the call is as it was before.

        Events of the new leg carry `leg_state` as their `client_state`.
        """

    @abstractmethod
    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        """Connect two answered calls to each other. When one of them ends, the other does."""

    @abstractmethod
    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None: ...

    @abstractmethod
    def call_state(self, *, carrier_call_id: str) -> CallState: ...

    @abstractmethod
    def parse_event(self, *, headers: Mapping[str, str], body: bytes) -> CarrierEvent | None:
        """Verify and translate a webhook; None for a kind we have no use for. Raises InvalidSignature, ValueError."""

    @abstractmethod
    def requirements(self, *, country: str, number_type: str) -> list[dict[str, Any]]:
        """What the holder of such a number must submit, as the carrier describes it; empty if nothing is required."""

    @abstractmethod
    def submit_requirements(
        self, *, country: str, number_type: str, reference: str, answers: Sequence[RequirementAnswer]
    ) -> str:
        """Submit a holder's documents; returns the id to order numbers with. `reference` makes a repeat harmless."""
