"""The state that survives a restart, in one JSON file: sold numbers, orders, regulatory documents."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from bubblyphone.core.json.documents import parse_stored_json

logger = logging.getLogger(__name__)

Record = dict[str, Any]
SAVED = (
    "phone_numbers",
    "incoming_phone_numbers",
    "orders",
    "requirement_groups",
    "documents",
    "addresses",
    "last_id",
)


class State:
    """Tables of plain records by ID. Every change is saved immediately. If `path` is None, nothing is saved."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.phone_numbers: dict[str, Record] = {}  # by E.164
        self.incoming_phone_numbers: dict[str, Record] = {}  # by E.164, for Twilio's protocol
        self.orders: dict[str, Record] = {}
        self.requirement_groups: dict[str, Record] = {}
        self.documents: dict[str, Record] = {}
        self.addresses: dict[str, Record] = {}
        self.last_id = 1_293_384_261_075_731_000
        if path is not None and path.exists():
            stored = parse_stored_json(path.read_text())
            for name in SAVED:
                if name in stored:  # the file may be older than the table
                    setattr(self, name, stored[name])

    def save(self) -> None:
        """Replace the file as a whole, so that a crash leaves either the old or the new state."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({name: getattr(self, name) for name in SAVED}, file, indent=1)
        draft.replace(self._path)

    def next_id(self) -> str:
        """A numeric string, as Telnyx numbers its phone numbers."""
        self.last_id += 1
        return str(self.last_id)

    @property
    def taken_numbers(self) -> set[str]:
        """All sold numbers, of both protocols."""
        return {*self.phone_numbers, *self.incoming_phone_numbers}

    def connection_of(self, number: str) -> str | None:
        """The connection of a sold number, "" if it has none, or None for any other number."""
        record = self.phone_numbers.get(number)
        return None if record is None else record["connection_id"] or ""
