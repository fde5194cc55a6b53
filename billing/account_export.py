"""Money in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from typing import Any

from accounts.extension_points import exported, owned
from billing.api.responses import TRANSACTION
from billing.models import AllowedPrefix, LedgerEntry, MeteredCost
from bubblyphone.core.api.views import format_time


def _prefix(allowed: AllowedPrefix) -> dict[str, Any]:
    return {"prefix": f"+{allowed.prefix}", "created_at": format_time(allowed.created_at)}


TABLES = (
    exported("transactions", owned(LedgerEntry), TRANSACTION.of),
    exported("metered_costs", owned(MeteredCost), TRANSACTION.of),
    exported("allowed_prefixes", owned(AllowedPrefix), _prefix),
)
