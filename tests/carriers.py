"""The carrier of a test's rows, and how to reach it."""

from collections.abc import Mapping
from typing import Any

from phone_numbers.carriers.registry import forget_carriers


def configure(settings: Any, options: Mapping[str, str], slug: str = "telnyx") -> None:
    """Change some options of a carrier until the test ends. Call `forget_carriers()` afterwards."""
    row = settings.CARRIERS[slug]
    options = {**row["OPTIONS"], **options}
    settings.CARRIERS = {**settings.CARRIERS, slug: {**row, "OPTIONS": options, "IS_CONFIGURED": True}}
    forget_carriers()
