"""Tables as CSV files (RFC 4180)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse

from billing.models import LedgerEntry, TelephonyRate
from bubblyphone.core.api.views import format_time
from bubblyphone.core.files.streamed_zip import PIECE_BYTES, in_threads
from bubblyphone.core.money import ZERO, format_money
from bubblyphone.core.pagination import in_pages

TRANSACTION_COLUMNS = ["id", "created_at", "type", "kind", "amount", "currency", "description"]
RATE_COLUMNS = ["prefix", "direction", "price_per_minute", "description", "valid_from"]
# Spreadsheets treat cells that start with these as formulas.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download of these rows under a line of names.

    A file that is larger than two pieces is created while it is sent. `rows` are then read in threads, and no cursor of the database may
    stay open between two of them, because each thread returns its connection.
    """
    pieces = _pieces(columns, rows)
    first, following = next(pieces), next(pieces, None)
    response: HttpResponse | StreamingHttpResponse = (
        HttpResponse(first)
        if following is None
        else StreamingHttpResponse(in_threads(chain((first, following), pieces)))
    )
    response["Content-Type"] = "text/csv; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return cast(HttpResponse, response)  # it has everything that the decorators of pages use


def _pieces(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The file in pieces, at least one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if text.tell() > PIECE_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()


def transactions_csv(entries: QuerySet[LedgerEntry], moment: str = "") -> HttpResponse:
    """Transactions, newest first, with `moment` by the time in that field. Debits are negative here, so the column can be summed."""
    rows = (
        [
            entry.pk,
            format_time(entry.created_at),
            "credit" if entry.amount >= ZERO else "debit",
            entry.kind,
            format_money(entry.amount),
            "USD",
            harmless(entry.description),
        ]
        for entry in in_pages(entries, moment, newest_first=True)
    )
    return csv_file("transactions.csv", TRANSACTION_COLUMNS, rows)


def rates_csv(rates: QuerySet[TelephonyRate]) -> HttpResponse:
    """Rates in the format of `billing.rate_import.import_rates`."""
    rows = (
        [
            rate.prefix,
            rate.direction,
            format_money(rate.price_per_minute),
            harmless(rate.description),
            format_time(rate.valid_from),
        ]
        for rate in rates.order_by(
            "direction", "prefix", "valid_from"
        )  # at once: a cursor would end with the connection
    )
    return csv_file("rates.csv", RATE_COLUMNS, rows)


def harmless(text: str) -> str:
    """Text that spreadsheets do not treat as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
