"""All of an account's data as one ZIP file: JSON lines, recordings, documents. Secrets are not included."""

import logging
from collections.abc import Iterator
from typing import Any

from accounts.api.responses import API_KEY, PROFILE
from accounts.extension_points import EXPORT_FILES, EXPORT_TABLES, ExportTable, exported, owned
from accounts.models import ApiKey, Developer
from accounts.notifications import choices_of
from accounts.retention import periods_of
from bubblyphone.core.files.streamed_zip import StreamedArchive

logger = logging.getLogger(__name__)


def export(developer: Developer) -> Iterator[bytes]:
    """The bytes of the file, streamed while it is created.

    `missing.jsonl` lists files that are no longer in the storage. If StorageUnavailable is raised midway, the ZIP file has no directory,
    so programs report it as damaged.
    """
    archive, missing = StreamedArchive(), list[dict[str, str]]()
    for table in EXPORT_TABLES:
        yield from archive.add_rows(f"{table.name}.jsonl", table.rows(developer))
    for source in EXPORT_FILES:
        for file in source(developer):
            try:
                opened = file.open()
            except FileNotFoundError:
                missing.append({"file": file.name})
            else:
                yield from archive.add_file(file.name, opened)
    yield from archive.add_rows("missing.jsonl", missing)
    yield from archive.end()


def _account(developer: Developer) -> Iterator[dict[str, Any]]:
    yield {
        **PROFILE.of(developer),
        "time_zone": developer.time_zone,
        "retention_days": periods_of(developer),
        "notifications": choices_of(developer),
    }


TABLES = (ExportTable("account", _account), exported("api_keys", owned(ApiKey), API_KEY.of))
