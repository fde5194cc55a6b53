"""Webhooks whose response we act on: `webhooks.extension_points.REPLY_HANDLER` does."""

from typing import Protocol

from webhooks.models import WebhookDelivery


class AnswerRefused(Exception):
    """A valid action that is refused for good: retrying would not help, and the call continues."""


class ReplyHandler(Protocol):
    """Synchronous, with database access. A response can be handed over again if a process died in between."""

    def take(self, delivery: WebhookDelivery, body: str) -> str:
        """Carry out a 2xx answer. Returns what is wrong with it, for its author to read, or "" when all is well.

        Raises AnswerRefused.
        """

    def is_wanted(self, delivery: WebhookDelivery) -> bool:
        """Whether a response is still needed; otherwise there is no retry."""

    def gave_up(self, delivery: WebhookDelivery) -> None:
        """The last attempt has failed; called in the transaction that says so."""
