"""Webhooks whose response is an action. settings.WEBHOOK_REPLY_HANDLER carries it out."""

from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

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


@cache
def reply_handler() -> ReplyHandler:
    """The handler of this process."""
    handler: ReplyHandler = import_string(settings.WEBHOOK_REPLY_HANDLER)()
    return handler
