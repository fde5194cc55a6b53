"""The addresses of numbers that webhooks go to, as the Webhooks page lists them beside the account's own endpoints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberAddresses:
    """Of one number. An empty address is not set."""

    number_id: int
    e164: str
    label: str
    webhook_url: str
    tool_webhook_url: str
