"""The webhook URLs of numbers, as listed on the Webhooks page next to the account's endpoints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberAddresses:
    """The URLs of one number. An empty URL is not set."""

    number_id: int
    e164: str
    label: str
    webhook_url: str
    tool_webhook_url: str
