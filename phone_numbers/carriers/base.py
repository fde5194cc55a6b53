"""The interface to the telephone network. Numbers and calls name their carrier; no code asks which it is.

A carrier is a `Carrier` that also derives from each capability it has (`phone_numbers.carriers.capabilities`). REST calls are
synchronous: services and jobs make them, never the audio path and never inside a transaction. Media frames have their own protocol,
without I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypedDict

from bubblyphone.core.audio import AudioFormat
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.media_protocol import MediaProtocol


class CarrierError(Exception):
    """The carrier refused or could not be reached. `retryable`: the same request may succeed later.

    `reason` is machine-readable where callers decide by it: "call_ended", "not_answered", "number_unavailable", "rejected",
    "unreachable" (nothing was sent), "not_configured", "unsupported" (a capability that the carrier lacks), "unauthorized"
    (it does not take the credentials), "incomplete" (credentials that are not all), "outcome_unknown" (sent, and perhaps carried out, but
    not properly answered).
    """

    def __init__(self, message: str, *, retryable: bool = False, reason: str = "rejected") -> None:
        super().__init__(message)
        self.retryable = retryable
        self.reason = reason


class InvalidSignature(Exception):
    """A webhook that is not from the carrier, or is too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSearch:
    """Criteria for numbers for sale. An empty field matches any number."""

    country: str
    number_type: str = ""
    area_code: str = ""
    locality: str = ""
    contains: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AvailableNumber:
    """A number for sale, with the fields of GET /phone-numbers/available."""

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
    """The address of a number's holder, in the holder's country, with Telnyx's names."""

    first_name: str
    last_name: str
    business_name: str
    street_address: str
    locality: str
    postal_code: str = ""
    administrative_area: str = ""


class Requirement(TypedDict):
    """One item that the holder of a number must submit, as shown by GET /countries/{code}/requirements.

    `type`: textual, document or address.
    """

    id: str
    name: str
    type: str
    description: str
    example: str
    time_limit: str | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    """A call to place. Its events carry `client_state`. A request with the same `command_id` is for the same call."""

    from_number: str
    to_number: str
    client_state: str
    command_id: str
    timeout_seconds: int
    time_limit_seconds: int
    stream: StreamSettings | None = None
    detect_voicemail: bool = False


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A carrier's request as the carrier sent it: `url` is the public one with its query, regardless of proxies in between."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The response to a carrier."""

    body: str
    content_type: str


class Carrier(ABC):
    """The interface of all carriers: reporting calls and carrying their audio."""

    media_protocol: ClassVar[type[MediaProtocol]]
    forged_status: ClassVar[int] = 400  # HTTP status of the response to a webhook that is not from the carrier

    @abstractmethod
    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        """Verify and translate a webhook; empty for a kind that we do not use. Raises InvalidSignature, ValueError."""

    def respond(self, request: WebhookRequest) -> WebhookResponse | None:
        """The response after the events have been applied, for carriers that receive commands that way. Raises nothing."""
        return None
