"""One Telnyx account: its REST client, and the settings that commands and webhooks need."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.telnyx.client import TelnyxClient


class TelnyxAccount:
    """An account and one of its Call Control applications (`connection_id`). `public_key` verifies its webhooks."""

    def __init__(self, *, api_key: str, public_key: str, base_url: str, connection_id: str) -> None:
        self.client = TelnyxClient(api_key, base_url)
        self.public_key = public_key
        self.base_url = base_url
        self.connection_id = connection_id

    def command(self, carrier_call_id: str, name: str, command_id: str, body: Mapping[str, Any]) -> None:
        """Send a command to a call. Telnyx carries it out once per `command_id`. Raises CarrierError."""
        path = f"calls/{quote(carrier_call_id, safe='')}/actions/{name}"
        self.client.post(path, {**body, "command_id": command_id})


def rows_of(data: Any) -> list[dict[str, Any]]:
    """The rows of a response that is a list. Raises CarrierError for anything else."""
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise CarrierError("The carrier's response is not a list.", reason="outcome_unknown")
    return data
