"""Webhooks whose answer is an order to us: who carries it out is named by settings (WEBHOOK_REPLY_HANDLER)."""

from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from webhooks.models import WebhookDelivery


class AnswerRefused(Exception):
    """An answer that is understood and refused for good: asking again would not help, and whatever it was about goes on."""


class ReplyHandler(Protocol):
    """Synchronous, with the database at hand. What it is given may come again, after a process has died in between."""

    def take(self, delivery: WebhookDelivery, body: str) -> str:
        """Carry out a 2xx answer. Returns what is wrong with it, for its author to read, or "" when all is well.

        Raises AnswerRefused.
        """

    def is_wanted(self, delivery: WebhookDelivery) -> bool:
        """Whether an answer would still be of use: else nothing is sent again."""

    def gave_up(self, delivery: WebhookDelivery) -> None:
        """The last attempt has failed; called in the transaction that says so."""


@cache
def reply_handler() -> ReplyHandler:
    """The handler of this process."""
    handler: ReplyHandler = import_string(settings.WEBHOOK_REPLY_HANDLER)()
    return handler
