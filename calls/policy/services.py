"""Changing an account's policy and its do-not-call list."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone

from accounts.models import Developer
from billing.exports import csv_file, harmless
from bubblyphone.core.api.views import format_time
from bubblyphone.core.errors import InvalidRequest, NotFound
from bubblyphone.core.numbering.e164 import is_e164
from bubblyphone.core.pagination import in_pages
from calls.models import DialingPolicy, DoNotCallNumber

COLUMN = "phone_number"
NOT_A_NUMBER = "Enter an E.164 number, like +14155551234."
MAX_REPORTED_ROWS = 20
MAX_REASON = 300
MAX_FILE_BYTES = 10 * 1024 * 1024


def policy_of(developer: Developer) -> DialingPolicy:
    """The account's policy, possibly unsaved."""
    return DialingPolicy.objects.filter(developer=developer).first() or DialingPolicy(developer=developer)


def set_policy(*, developer: Developer, changes: dict[str, Any]) -> DialingPolicy:
    """Set some rules; null removes one."""
    return DialingPolicy.objects.update_or_create(developer=developer, defaults=changes)[0]


def numbers_of(developer: Developer) -> QuerySet[DoNotCallNumber]:
    """The account's do-not-call list."""
    return DoNotCallNumber.objects.filter(developer=developer)


def add(*, developer_id: int, phone_number: str, source: str, reason: str = "") -> DoNotCallNumber:
    """Add a number to the list. Does nothing if it is already listed."""
    return DoNotCallNumber.objects.get_or_create(
        developer_id=developer_id, phone_number=phone_number, defaults={"source": source, "reason": reason}
    )[0]


def remove(*, developer: Developer, pk: int) -> None:
    """Remove a number from the list. Raises NotFound."""
    if not numbers_of(developer).filter(pk=pk).delete()[0]:
        raise NotFound("Not found.")


def import_csv(*, developer: Developer, content: bytes, source: str) -> dict[str, int]:
    """Add all numbers of a file with a column `phone_number` and an optional column `reason`; if any row is invalid, add none.

    Returns how many were `added` and how many were `already_listed`. Raises InvalidRequest.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidRequest({"file": ["The file is too large. The maximum is 10 MiB."]})
    now = timezone.now()
    rows = [
        DoNotCallNumber(
            developer=developer, phone_number=number, reason=reason[:MAX_REASON], source=source, created_at=now
        )
        for number, reason in dict(_read(content)).items()
    ]
    # Without locking the account, because its calls would have to wait.
    with transaction.atomic():
        DoNotCallNumber.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
        added = numbers_of(developer).filter(created_at=now).count()
    return {"added": added, "already_listed": len(rows) - added}


def _read(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest({"file": ["The file must be CSV in UTF-8."]}) from error
    if "\0" in text:
        raise InvalidRequest({"file": ["Null characters are not allowed."]})
    try:
        table = csv.DictReader(io.StringIO(text), strict=True)
        if COLUMN not in (table.fieldnames or ()):
            raise InvalidRequest({"file": [f"The first line must name a column `{COLUMN}`."]})
        lines = [(table.line_num, (row[COLUMN] or "").strip(), (row.get("reason") or "").strip()) for row in table]
    except csv.Error as error:
        raise InvalidRequest({"file": [f"The file is not valid CSV: {error}."]}) from error
    wrong = [line for line, number, _ in lines if not is_e164(number)]
    if wrong:
        raise InvalidRequest({f"rows.{line}": [NOT_A_NUMBER] for line in wrong[:MAX_REPORTED_ROWS]})
    yield from ((number, reason) for _, number, reason in lines)


def csv_of(rows: QuerySet[DoNotCallNumber]) -> HttpResponse:
    """The list as a file in the format of `import_csv`, newest first."""
    table = (
        [row.phone_number, harmless(row.reason), row.source, format_time(row.created_at)]
        for row in in_pages(rows, newest_first=True)
    )
    return csv_file("do-not-call.csv", [COLUMN, "reason", "source", "created_at"], table)
