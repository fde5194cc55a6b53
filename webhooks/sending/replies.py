"""Webhooks whose response we act on: handled by `webhooks.extension_points.REPLY_HANDLER`."""

from typing import Protocol

from webhooks.models import WebhookDelivery


class AnswerRefused(Exception):
    """A valid action that is refused permanently: retrying would not help, and the call continues."""


class ReplyHandler(Protocol):
    """Synchronous, with database access. A response may be handled twice if a process died in between."""

    def take(self, delivery: WebhookDelivery, body: str) -> str:
        """Carry out a 2xx response. Returns the problem, for its author, or "" if there is none. Raises AnswerRefused."""

    def is_wanted(self, delivery: WebhookDelivery) -> bool:
        """Whether a response is still needed; otherwise there is no retry."""

    def gave_up(self, delivery: WebhookDelivery) -> None:
        """The last attempt has failed; called in the transaction that records it."""
