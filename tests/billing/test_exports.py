"""Large CSV files are streamed, and their rows are read in batches of a few hundred."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing import exports
from billing.exports import csv_file
from billing.models import TelephonyRate
from bubblyphone.core.files.streamed_zip import PIECE_BYTES
from bubblyphone.core.pagination import FILE_PAGE_SIZE, in_pages
from calls.models import DoNotCallNumber
from tests.factories import make_developer


async def test_a_large_file_is_created_while_it_is_sent() -> None:
    made = 0

    def rows() -> Iterator[list[str]]:
        nonlocal made
        for made in range(1, 30_001):
            yield [str(made), "x" * 20]

    answer: Any = csv_file("large.csv", ["id", "text"], rows())
    assert (answer.streaming, answer["Content-Type"]) == (True, "text/csv; charset=utf-8")
    assert answer["Content-Disposition"] == 'attachment; filename="large.csv"'
    assert made < 10_500  # two pieces of lines of at least 25 bytes
    pieces = [piece async for piece in answer.streaming_content]
    assert max(map(len, pieces)) < PIECE_BYTES + 100
    lines = b"".join(pieces).decode().split("\r\n")
    assert (lines[0], lines[1], len(lines), lines[-2:]) == (
        "id,text",
        f"1,{'x' * 20}",
        30_002,
        [f"30000,{'x' * 20}", ""],
    )


def test_a_small_file_has_a_content_length() -> None:
    answer = csv_file("small.csv", ["id"], [[1], [2]])
    assert (answer.streaming, answer.content) == (False, b"id\r\n1\r\n2\r\n")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("moment", "newest_first"), [("", False), ("", True), ("created_at", False), ("created_at", True)]
)
def test_rows_are_read_in_pages_and_each_is_read_once(moment: str, newest_first: bool) -> None:
    developer, now = make_developer(), timezone.now()
    DoNotCallNumber.objects.bulk_create(
        # Many have the same time, and later ones have lower IDs.
        DoNotCallNumber(
            developer=developer, phone_number=f"+1{place}", created_at=now - timedelta(seconds=place // 300)
        )
        for place in range(2 * FILE_PAGE_SIZE + 1)
    )
    rows = DoNotCallNumber.objects.filter(developer=developer)
    sign = "-" if newest_first else ""
    expected = list(rows.order_by(*([sign + moment] if moment else []), f"{sign}pk").values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        assert [row.pk for row in in_pages(rows, moment, newest_first=newest_first)] == expected
    assert len(queries) == 3


@pytest.mark.django_db(transaction=True)
async def test_a_large_rate_table_outlives_its_request_s_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PIECE_BYTES", 10)
    count = 2_100  # more than a cursor fetches at a time

    def request() -> Any:
        TelephonyRate.objects.bulk_create(
            TelephonyRate(prefix=str(place), direction="outbound", price_per_minute=1, valid_from=timezone.now())
            for place in range(99_990_000, 99_990_000 + count)
        )
        answer = exports.rates_csv(TelephonyRate.objects.filter(prefix__startswith="9999"))
        connection.close()  # as at the end of a request
        return answer

    answer = await sync_to_async(request)()
    pieces = [piece async for piece in answer.streaming_content]
    assert (len(pieces), b"".join(pieces).count(b"\r\n")) == (
        count,
        count + 1,
    )  # the first row is sent with the column names
