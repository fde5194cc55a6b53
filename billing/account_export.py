"""Money in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from typing import Any

from accounts.extension_points import ExportTable
from accounts.models import Developer
from billing.api.responses import TRANSACTION
from billing.models import AllowedPrefix, LedgerEntry, MeteredCost
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages


def _transactions(developer: Developer) -> Iterator[dict[str, Any]]:
    for entry in in_pages(LedgerEntry.objects.filter(developer=developer)):
        yield TRANSACTION.of(entry)


def _metered_costs(developer: Developer) -> Iterator[dict[str, Any]]:
    for cost in in_pages(MeteredCost.objects.filter(developer=developer)):
        yield TRANSACTION.of(cost)


def _allowed_prefixes(developer: Developer) -> Iterator[dict[str, Any]]:
    for allowed in in_pages(AllowedPrefix.objects.filter(developer=developer)):
        yield {"prefix": f"+{allowed.prefix}", "created_at": format_time(allowed.created_at)}


TABLES = (
    ExportTable("transactions", _transactions),
    ExportTable("metered_costs", _metered_costs),
    ExportTable("allowed_prefixes", _allowed_prefixes),
)
