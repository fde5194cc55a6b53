"""Which carrier a test's rows are at, and how it is reached."""

from collections.abc import Mapping
from typing import Any

from phone_numbers.carriers.registry import carrier_named


def configure(settings: Any, options: Mapping[str, str], slug: str = "telnyx") -> None:
    """Change some options of a carrier until the test ends; `carrier_named.cache_clear()` then forgets it."""
    row = settings.CARRIERS[slug]
    options = {**row["OPTIONS"], **options}
    settings.CARRIERS = {**settings.CARRIERS, slug: {**row, "OPTIONS": options, "IS_CONFIGURED": True}}
    carrier_named.cache_clear()
