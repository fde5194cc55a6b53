"""The input and output of a diagnosis: the call with its timeline and webhooks; whose fault it was, and the evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings
from django.urls import reverse
from django.utils.timezone import localtime

from calls.models import Call, CallEvent, CarrierEventRecord, Direction
from webhooks.models import WebhookDelivery

MAX_EVIDENCE = 5


class Fault(StrEnum):
    """Whose fault it was."""

    CALLER = "caller"
    CALLEE = "callee"
    CARRIER = "carrier"
    MODEL = "model"
    WEBHOOK = "your_webhook"
    SETTINGS = "your_settings"
    PLATFORM = "us"
    NOBODY = "nobody"

    @property
    def words(self) -> str:
        """The words for readers."""
        return FAULT_WORDS[self]


FAULT_WORDS = {
    Fault.CALLER: "The caller",
    Fault.CALLEE: "The callee",
    Fault.CARRIER: "The carrier",
    Fault.MODEL: "The model",
    Fault.WEBHOOK: "Your webhook",
    Fault.SETTINGS: "Your settings",
    Fault.PLATFORM: "BubblyPhone",
    Fault.NOBODY: "Nobody",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`is_end`: the reason why the call ended or never started; otherwise the call continued despite it.

    `outcome` is a hangup cause, "unknown" for an end without one, or "in_progress". `fix_url` is the page where it can be fixed; "" if
    there is none. Without `is_trouble` there is nothing to explain.
    """

    fault: Fault
    summary: str
    fix: str
    evidence: list[str] = field(default_factory=list)
    fix_url: str = ""
    outcome: str = ""
    is_end: bool = True
    is_trouble: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """Everything known about a call, oldest first."""

    call: Call
    events: Sequence[CallEvent]
    deliveries: Sequence[WebhookDelivery]

    def named(self, *names: str) -> list[CallEvent]:
        return [event for event in self.events if event.event_type in names]

    @property
    def configuration_page(self) -> str:
        """The page with the call's settings: its agent's, otherwise its number's."""
        if self.call.agent_id is not None:
            return page_url("agent", self.call.agent_id)
        return page_url("number", self.call.phone_number_id) if self.call.phone_number_id is not None else ""

    @property
    def other_party(self) -> Fault:
        return Fault.CALLER if self.call.direction == Direction.INBOUND else Fault.CALLEE

    @property
    def refusal(self) -> str:
        """Why the call was refused before it started; "" if it was not."""
        refused = self.named("call.refused")
        return str(refused[-1].metadata.get("reason", "")) if refused else ""


def page_url(name: str, *arguments: object) -> str:
    """The absolute URL of a page."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=arguments)}"


# --- evidence ---------------------------------------------------------------------------------------------------------
def told(case: Case, *names: str) -> list[str]:
    """Timeline entries with these names, otherwise all that have a reason."""
    events = case.named(*names) if names else [event for event in case.events if event.metadata.get("reason")]
    return list(lines(events))[:MAX_EVIDENCE]


def lines(events: Sequence[CallEvent]) -> Iterator[str]:
    for event in events:
        why = event.metadata.get("detail") or event.metadata.get("reason") or ""
        yield f"{localtime(event.event_timestamp):%H:%M:%S} {event.event_type}{f': {why}' if why else ''}"


def reported(case: Case) -> list[str]:
    """What the carrier said of the end."""
    if case.call.carrier_call_id is None:
        return []
    reports = CarrierEventRecord.objects.filter(
        carrier=case.call.carrier, carrier_call_id=case.call.carrier_call_id
    ).exclude(cause="")
    return [
        f"{localtime(record.occurred_at):%H:%M:%S} the carrier reported {record.cause}{f' ({record.detail})' if record.detail else ''}"
        for record in reports.order_by("occurred_at")[:MAX_EVIDENCE]
    ]


def attempts(deliveries: Sequence[WebhookDelivery]) -> Iterator[str]:
    """The last attempts, from the webhook log."""
    attempts = [(delivery, attempt) for delivery in deliveries for attempt in delivery.attempts.all()]
    for delivery, attempt in attempts[-MAX_EVIDENCE:]:
        answer = f"HTTP {attempt.response_status}" if attempt.response_status else "no response"
        why = f", {attempt.error_message}" if attempt.error_message else ""
        yield f"{localtime(attempt.created_at):%H:%M:%S} {delivery.event_type}: {answer} after {attempt.latency_ms} ms{why}"


def times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
