"""Values that are made once and kept: secrets, passwords and ports, in one JSON file of mode 600."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from bubblyphone.core.json_documents import parse_stored_json
from bubblyphone.services.errors import ServiceError


class SecretsStore:
    """A flat mapping of names to strings, written through to `path` at every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, str] = {}
        try:
            self._values = parse_stored_json(path.read_text())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise ServiceError(
                f"Cannot read {path} ({error}). Move the file away to start over with new keys."
            ) from error

    def get(self, name: str) -> str | None:
        """The kept value, or None."""
        return self._values.get(name)

    def get_or_make(self, name: str, make: Callable[[], str]) -> str:
        """The kept value; made by `make` and kept from now on if there is none."""
        if name not in self._values:
            self.keep(name, make())
        return self._values[name]

    def keep(self, name: str, value: str) -> None:
        """Store the value; the file is replaced whole, so that a crash leaves either the old or the new one."""
        self._values[name] = value
        beside = self.path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._values, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
