"""Tables as CSV files (RFC 4180)."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse

from billing.models import LedgerEntry, TelephonyRate
from bubblyphone.core.api import format_time
from bubblyphone.core.money import ZERO, format_money

TRANSACTION_COLUMNS = ["id", "created_at", "type", "kind", "amount", "currency", "description"]
RATE_COLUMNS = ["prefix", "direction", "price_per_minute", "description", "valid_from"]
# Spreadsheets take a cell that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download of these rows under a line of names."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow(columns)
    writer.writerows(rows)
    return response


def transactions_csv(entries: QuerySet[LedgerEntry]) -> HttpResponse:
    """Movements, newest first; here the amount of a debit is negative, so that the column can be summed up."""
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
        for entry in entries.order_by("-pk").iterator()
    )
    return csv_file("transactions.csv", TRANSACTION_COLUMNS, rows)


def rates_csv(rates: QuerySet[TelephonyRate]) -> HttpResponse:
    """Rates as `billing.rate_import.import_rates` reads them."""
    rows = (
        [
            rate.prefix,
            rate.direction,
            format_money(rate.price_per_minute),
            harmless(rate.description),
            format_time(rate.valid_from),
        ]
        for rate in rates.order_by("direction", "prefix", "valid_from").iterator()
    )
    return csv_file("rates.csv", RATE_COLUMNS, rows)


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
