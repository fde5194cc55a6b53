"""IDs, dates and pages in the format of Twilio's API 2010-04-01."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

API_VERSION = "2010-04-01"
MAX_PAGE_SIZE = 1000


def new_sid(prefix: str) -> str:
    """Two letters for the type of resource, and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def rfc2822(moment: datetime | None) -> str | None:
    """A date in Twilio's format: `Mon, 30 Nov 2026 02:57:12 +0000`."""
    return None if moment is None else format_datetime(moment)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def account_path(account_sid: str) -> str:
    """The path that an account's resources are under."""
    return f"/{API_VERSION}/Accounts/{account_sid}"


def page_of(
    path: str, query: Mapping[str, str], key: str, rows: Sequence[Any], describe: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """One page of a list, with the rows in `key`. `Page` starts at 0, `PageSize` is up to 1000."""
    page, size = _number(query, "Page", 0), min(max(_number(query, "PageSize", 50), 1), MAX_PAGE_SIZE)
    shown = rows[page * size : (page + 1) * size]
    filters = {name: value for name, value in query.items() if name not in {"Page", "PageSize", "PageToken"}}

    def uri(number: int) -> str:
        return f"{path}?{urlencode(filters | {'PageSize': size, 'Page': number})}"

    return {
        key: [describe(row) for row in shown],
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(shown) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if (page + 1) * size < len(rows) else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default
