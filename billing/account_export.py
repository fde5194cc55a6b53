"""Money in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from typing import Any

from accounts.extension_points import ExportTable
from accounts.models import Developer
from billing.api.shapes import TRANSACTION
from billing.models import LedgerEntry, MeteredCost
from bubblyphone.core.archive import in_pages


def _transactions(developer: Developer) -> Iterator[dict[str, Any]]:
    for entry in in_pages(LedgerEntry.objects.filter(developer=developer)):
        yield TRANSACTION.of(entry)


def _metered_costs(developer: Developer) -> Iterator[dict[str, Any]]:
    for cost in in_pages(MeteredCost.objects.filter(developer=developer)):
        yield TRANSACTION.of(cost)


TABLES = (ExportTable("transactions", _transactions), ExportTable("metered_costs", _metered_costs))
