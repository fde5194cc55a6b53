"""Actions after a commit that must neither undo nor repeat it: counting and tracing."""

from collections.abc import Callable
from typing import Any

from django.db import transaction


def note_after_commit(note: Callable[..., object], *about: Any) -> None:
    """Call `note(*about)` once the transaction is committed. If it raises, the log says so, and nothing else happens."""

    def hook() -> None:  # not a `partial`: Django logs a failure by the function's name, which a partial lacks
        note(*about)

    transaction.on_commit(hook, robust=True)
