"""What accounts need from other apps: what happens when an account is opened or deleted, how long data is kept, what an export contains.
Filled in `AppConfig.ready`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import IO, Any

from django.db.models import Model, QuerySet

from accounts.models import Developer
from bubblyphone.core.pagination import in_pages
from bubblyphone.core.registry import Registry

ACCOUNT_OPENED: Registry[Callable[[int], None]] = Registry()
"""Called with the developer's id, in the transaction of a registration."""


class DeletionPhase(IntEnum):
    """The order of an account's deletion: calls end before the numbers and model keys that they use are deleted."""

    PAYMENTS = 1
    CALLS = 2
    NUMBERS = 3
    AGENTS = 4


@dataclass(frozen=True, slots=True)
class DeletionStep:
    """`run` is called with the developer's id. It can be repeated, and raises ApplicationError while it cannot be done yet."""

    phase: DeletionPhase
    run: Callable[[int], None]


DELETION_STEPS: Registry[DeletionStep] = Registry()
"""Within a phase, steps run in the order of registration."""


@dataclass(frozen=True, slots=True)
class RetentionKind:
    """A kind of data with a retention period that accounts choose (`accounts.retention`).

    `title` and `text` are shown on the page. `delete` removes an account's data from before a given time in batches, each in its own
    transaction, and yields after each batch. Data from before its last argument was deleted by earlier runs. `still_used_since` is the
    time of an account's oldest data that cannot be deleted yet.
    """

    name: str
    title: str
    text: str
    delete: Callable[[int, datetime, datetime | None], Iterator[int]]
    still_used_since: Callable[[int], datetime | None] = lambda developer_id: None


RETENTION_KINDS: Registry[RetentionKind] = Registry()
"""`accounts.retention.KINDS_IN_API` has their order."""


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A file of JSON lines in the export of an account's data (`accounts.account_export`). Rows come in pages: no query stays open."""

    name: str
    rows: Callable[[Developer], Iterator[Mapping[str, Any]]]


def exported(
    name: str, rows: Callable[[Developer], QuerySet[Any]], shown: Callable[[Any], Mapping[str, Any]]
) -> ExportTable:
    """A file with one line for each row."""
    return ExportTable(name, lambda developer: map(shown, in_pages(rows(developer))))


def owned(model: type[Model]) -> Callable[[Developer], QuerySet[Any]]:
    """The rows of a model with a `developer`."""
    return lambda developer: model._default_manager.filter(developer=developer)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of the account; `open` raises FileNotFoundError, and what the storage raises."""

    name: str
    open: Callable[[], IO[bytes]]


EXPORT_TABLES: Registry[ExportTable] = Registry()
EXPORT_FILES: Registry[Callable[[Developer], Iterator[ExportFile]]] = Registry()
