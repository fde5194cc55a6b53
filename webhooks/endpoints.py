"""The addresses that an account's events go to, as the Webhooks page lists them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A number's addresses. An empty one is not set."""

    number_id: int
    e164: str
    label: str
    webhook_url: str
    tool_webhook_url: str
