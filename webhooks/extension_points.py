"""What webhooks need from apps above: the addresses of an account, and who acts on responses. Filled in `AppConfig.ready`."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from accounts.models import Developer
from bubblyphone.core.registry import Registry, Slot
from webhooks.endpoints import Endpoint
from webhooks.replies import ReplyHandler


class AccountPublisher(Protocol):
    """Writes an event that belongs to no number into the outbox, once for each webhook address of the account."""

    def __call__(self, *, developer_id: int, subject: str, event_type: str, payload: Mapping[str, Any]) -> None: ...


REPLY_HANDLER: Slot[ReplyHandler] = Slot("the handler of webhook responses")
PUBLISH_TO_ACCOUNT: Slot[AccountPublisher] = Slot("the publisher of account events")
ENDPOINT_SOURCES: Registry[Callable[[Developer], list[Endpoint]]] = Registry()
"""How to find the endpoints that the Webhooks page lists."""
