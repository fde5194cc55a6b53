"""The carriers of this installation. `settings.CARRIERS` has a row for each that there is an adapter for."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from django.conf import settings

from bubblyphone.core.backends import load_backend
from phone_numbers.carriers.base import Carrier, CarrierError


class AtCarrier(Protocol):
    """A row that names its carrier: a number, a call, a purchase, a verification."""

    @property
    def carrier(self) -> str: ...


class CarrierCall(AtCarrier, Protocol):
    """A call as its carrier knows it; a sandbox call has no carrier's id."""

    @property
    def carrier_call_id(self) -> str | None: ...


def get_carrier(owner: AtCarrier) -> Carrier:
    """The carrier of a number or a call. Raises CarrierError if the installation no longer has it."""
    return carrier_named(owner.carrier)


@cache
def carrier_named(slug: str) -> Carrier:
    """One for the whole process, made on first use; safe to use from many threads. Raises CarrierError for one not configured."""
    row = settings_of(slug)
    if not row or not row["IS_CONFIGURED"]:
        raise CarrierError(f"The carrier {slug or 'of this call'} is not configured.", reason="not_configured")
    carrier: Carrier = load_backend(row)
    return carrier


def settings_of(slug: str) -> Mapping[str, Any]:
    """NAME, BACKEND, OPTIONS and IS_CONFIGURED; nothing for an unknown carrier."""
    rows: Mapping[str, Mapping[str, Any]] = settings.CARRIERS
    return rows.get(slug, {})


def default_carrier() -> str:
    """The slug of the carrier that numbers are bought from if nobody chooses."""
    slug: str = settings.DEFAULT_CARRIER
    return slug


def configured_carriers() -> list[str]:
    """The slugs of those that can be used, in the order of the settings."""
    return [slug for slug, row in settings.CARRIERS.items() if row["IS_CONFIGURED"]]
