"""Optional capabilities of carriers.

A carrier class derives from those it has; `registry.get_carrier` refuses the others. All methods raise CarrierError. A `command_id` makes
a repeat harmless, whatever the vendor requires for that.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from phone_numbers.carriers.base import (
    AvailableNumber,
    DialRequest,
    NumberOrder,
    NumberSearch,
    Requirement,
    RequirementAnswer,
    StreamSettings,
)


class CallControl(ABC):
    """Calls, from dialing to hanging up, and their media streams."""

    detects_voicemail: ClassVar[bool]
    detects_screening: ClassVar[bool] = False
    takes_keys_as_sound: ClassVar[bool] = False  # in a call with a stream, instead of `send_dtmf`

    @abstractmethod
    def dial(self, request: DialRequest) -> str:
        """Place a call; returns the carrier's id. A repeat of the command finds the call that it placed."""

    @abstractmethod
    def answer(
        self, *, carrier_call_id: str, client_state: str, command_id: str, stream: StreamSettings | None
    ) -> None: ...

    @abstractmethod
    def reject(self, *, carrier_call_id: str, command_id: str) -> None:
        """Reject a ringing call as busy."""

    @abstractmethod
    def hang_up(self, *, carrier_call_id: str, command_id: str) -> None:
        """End a call. Not an error if it has already ended."""

    @abstractmethod
    def start_stream(self, *, carrier_call_id: str, command_id: str, stream: StreamSettings) -> None: ...

    @abstractmethod
    def transfer(self, request: DialRequest, *, carrier_call_id: str) -> None:
        """Call someone else, without a stream, and connect the caller to them. If nobody answers, the call continues as before."""

    @abstractmethod
    def bridge(self, *, carrier_call_id: str, other_carrier_call_id: str, command_id: str) -> None:
        """Connect two answered calls to each other. When one of them ends, the other does."""

    @abstractmethod
    def send_dtmf(self, *, carrier_call_id: str, command_id: str, digits: str) -> None: ...

    @abstractmethod
    def is_alive(self, *, carrier_call_id: str) -> bool:
        """Whether a call has not ended yet at the carrier."""


class Speech(ABC):
    """The carrier's own voice, and its transcription of the caller. Webhook mode needs both."""

    max_speech_characters: ClassVar[int]
    # `stop_speaking` sends nothing: it changes what `Carrier.respond` returns.
    stops_in_response: ClassVar[bool] = False

    @abstractmethod
    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        """Speak a text of at most `max_speech_characters` in the carrier's own voice, after speech in progress.

        `voice` and `language` (BCP 47) can be empty; unknown ones are replaced by the carrier's defaults.
        """

    @abstractmethod
    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        """Stop current speech and drop queued speech."""

    @abstractmethod
    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        """Transcribe the caller; with `interim` also report speech as soon as it starts. Starting twice is no error."""

    @abstractmethod
    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        """Stop transcribing the caller."""


class Recording(ABC):
    """Recordings made by the carrier."""

    @abstractmethod
    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        """Record the call from now to its end: WAV, this leg left, the other party right."""

    @abstractmethod
    def download_headers(self, url: str) -> Mapping[str, str] | None:
        """Headers to fetch a recording with, for an address at the carrier's own API; None for any other address."""


class NumberInventory(ABC):
    """Numbers for sale, and the account's own numbers."""

    @abstractmethod
    def search_numbers(self, search: NumberSearch) -> list[AvailableNumber]: ...

    @abstractmethod
    def order_number(self, *, e164: str, reference: str, requirement_group_id: str = "") -> NumberOrder:
        """Order a number found by a search, with the holder's documents if its country requires them (`Compliance`).

        Not repeatable: after an error check `find_order` before trying again.
        """

    @abstractmethod
    def find_order(self, *, reference: str) -> NumberOrder | None: ...

    @abstractmethod
    def find_owned_number(self, *, e164: str) -> str | None:
        """The carrier's id of a number that the account owns."""

    @abstractmethod
    def release_number(self, *, carrier_ref: str) -> None:
        """Release the number. Not an error if it was already released."""

    @abstractmethod
    def routing_of(self, *, carrier_ref: str) -> str:
        """Where calls to an owned number go, in the carrier's format, for `restore_routing`."""

    @abstractmethod
    def route_here(self, *, carrier_ref: str) -> None:
        """Route calls to an owned number here. After an error nothing has changed, except for "outcome_unknown"."""

    @abstractmethod
    def restore_routing(self, *, carrier_ref: str, routing: str) -> None:
        """Route a number's calls as `routing_of` described. Not an error if the number is gone."""


class Compliance(ABC):
    """Documents that holders of numbers must submit."""

    @abstractmethod
    def requirements(self, *, country: str, number_type: str) -> list[Requirement]:
        """What the holder of such a number must submit; empty if nothing is required."""

    @abstractmethod
    def submit_requirements(
        self, *, country: str, number_type: str, reference: str, answers: Sequence[RequirementAnswer]
    ) -> str:
        """Submit a holder's documents; returns the id for ordering numbers. `reference` makes a repeat harmless."""


class OwnAccounts(ABC):
    """Developers' own accounts at the carrier. Their credentials replace ours in the carrier's options."""

    required_credentials: ClassVar[tuple[str, ...]]
    optional_credentials: ClassVar[tuple[str, ...]] = ()
    fixed_credentials: ClassVar[tuple[str, ...]] = ()  # that say which account it is
    # What a credential looks like, and how that is said. Names that become part of an address need one.
    credential_formats: ClassVar[Mapping[str, tuple[re.Pattern[str], str]]] = {}

    @abstractmethod
    def complete_credentials(self) -> Mapping[str, str]:
        """Verify the credentials with one read request; returns discovered optional ones.

        Raises CarrierError: "unauthorized" if the carrier rejects them, "incomplete" if the developer must provide more.
        """


CAPABILITIES: Mapping[str, type] = {
    "call_control": CallControl,
    "speech": Speech,
    "recording": Recording,
    "number_inventory": NumberInventory,
    "compliance": Compliance,
    "own_accounts": OwnAccounts,
}
