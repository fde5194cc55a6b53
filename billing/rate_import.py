"""The rate table as a CSV file: what `billing.exports.rates_csv` writes, read back. Calls keep the rate that they began with."""

import csv
import io
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.utils.dateparse import parse_datetime

from billing.exports import RATE_COLUMNS
from billing.models import TelephonyRate
from bubblyphone.core.errors import InvalidRequest

MAX_PRICE = Decimal(100)
YEARS = range(2000, 3000)  # PostgreSQL also stores others, some of which Python cannot read back


def import_rates(text: str, now: datetime) -> list[TelephonyRate]:
    """Import a table: rows by direction, prefix and `valid_from` (now, where it is empty) are added or get their new price.

    Rates that the file does not name stay. All or nothing: raises InvalidRequest with what is wrong by line. Gives the rows
    that are new or different.
    """
    wanted: dict[tuple[str, str, datetime], TelephonyRate] = {}
    errors: dict[str, list[str]] = {}
    for line, row in _rows(text):
        place = f"line {line}"
        try:
            rate = _read(row, now)
        except ValueError as error:
            errors[place] = [str(error)]
            continue
        if (rate.direction, rate.prefix, rate.valid_from) in wanted:
            errors[place] = ["This rate is in the file twice."]
        wanted[rate.direction, rate.prefix, rate.valid_from] = rate
    if errors:
        raise InvalidRequest(errors)
    return _take_over(wanted)


def _rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Each row with its line number. Raises InvalidRequest if it is not such a table."""
    if "\0" in text:
        raise InvalidRequest({"file": ["Null characters are not allowed."]})
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        if list(reader.fieldnames or []) != RATE_COLUMNS:
            raise InvalidRequest({"file": [f"The first line must be: {','.join(RATE_COLUMNS)}"]})
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InvalidRequest({"file": [f"The file is not valid CSV: {error}."]}) from error


@transaction.atomic
def _take_over(wanted: dict[tuple[str, str, datetime], TelephonyRate]) -> list[TelephonyRate]:
    changed = []
    known = {(rate.direction, rate.prefix, rate.valid_from): rate for rate in TelephonyRate.objects.select_for_update()}
    for key, rate in wanted.items():
        old = known.get(key)
        if old and (old.price_per_minute, old.description) == (rate.price_per_minute, rate.description):
            continue
        rate.pk = old.pk if old else None
        rate.save()
        changed.append(rate)
    return changed


def _read(row: dict[str, str], now: datetime) -> TelephonyRate:
    """Raises ValueError with a message for people."""
    if None in row or None in row.values():
        raise ValueError(f"Each line must have {len(RATE_COLUMNS)} columns.")
    cells = {name: value.strip() for name, value in row.items()}
    prefix, direction = cells["prefix"].removeprefix("+"), cells["direction"]
    if len(prefix) > 15 or (prefix and not (prefix.isascii() and prefix.isdecimal())):
        raise ValueError("The prefix must be at most 15 digits, without +.")
    if direction not in TelephonyRate.Direction.values:
        raise ValueError(f"The direction must be one of: {', '.join(TelephonyRate.Direction.values)}.")
    if len(cells["description"]) > 100:
        raise ValueError("The description must have at most 100 characters.")
    return TelephonyRate(
        prefix=prefix,
        direction=direction,
        price_per_minute=_read_price(cells["price_per_minute"]),
        description=cells["description"],
        valid_from=_read_moment(cells["valid_from"]) if cells["valid_from"] else now,
    )


def _read_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 <= price <= MAX_PRICE and price == round(price, 6)):
        raise ValueError(f"The price must be a number between 0 and {MAX_PRICE} with at most 6 decimals.")
    return price


def _read_moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError("valid_from must be a time like 2026-01-01T00:00:00Z.")
    return moment
