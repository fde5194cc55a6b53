"""What webhooks need from apps above: the addresses of numbers, and who acts on responses. Filled in `AppConfig.ready`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from accounts.models import Developer
from bubblyphone.core.registry import Slot
from webhooks.sending.replies import ReplyHandler


@dataclass(frozen=True, slots=True)
class NumberAddresses:
    """The URLs of one number, for the Webhooks page. An empty string means not set."""

    number_id: int
    e164: str
    label: str
    webhook_url: str
    tool_webhook_url: str


class AccountPublisher(Protocol):
    """Writes an event that belongs to no number into the outbox, once for each webhook address of the account."""

    def __call__(self, *, developer_id: int, subject: str, event_type: str, payload: Mapping[str, Any]) -> None: ...


REPLY_HANDLER: Slot[ReplyHandler] = Slot("the handler of webhook responses")
PUBLISH_TO_ACCOUNT: Slot[AccountPublisher] = Slot("the publisher of account events")
NUMBER_ADDRESSES: Slot[Callable[[Developer, int], list[NumberAddresses]]] = Slot(
    "the addresses of an account's numbers"
)
"""Takes the account and the maximum number of rows, and returns those of its newest numbers."""
