"""The carriers of this installation. `settings.CARRIERS` has a row for each that there is an adapter for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from bubblyphone.core.backends import load_backend
from phone_numbers.carriers.base import Carrier, CarrierError
from phone_numbers.carriers.capabilities import CAPABILITIES, CallControl

C = TypeVar("C")


class AtCarrier(Protocol):
    """A row that names its carrier: a number, a call, a purchase, a verification."""

    @property
    def carrier(self) -> str: ...


class CarrierCall(AtCarrier, Protocol):
    """A call as its carrier knows it; a sandbox call has no carrier's id."""

    @property
    def carrier_call_id(self) -> str | None: ...


def get_carrier(owner: AtCarrier, capability: type[C]) -> C:
    """A capability of the carrier of a number or a call. Raises CarrierError if the carrier lacks it, or is not there any more."""
    return able(owner.carrier, capability)


def able(slug: str, capability: type[C]) -> C:
    """A capability of a carrier by its slug. Raises CarrierError."""
    carrier = carrier_named(slug)
    if not isinstance(carrier, capability):
        name = next((name for name, kind in CAPABILITIES.items() if kind is capability), capability.__name__)
        raise CarrierError(
            f"{settings_of(slug)['NAME']} does not offer {name.replace('_', ' ')}.", reason="unsupported"
        )
    return carrier


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


def reporting_at(path: str) -> str:
    """The slug of the configured carrier whose webhooks arrive under /webhooks/<path>; empty if there is none."""
    return next((slug for slug in configured_carriers() if settings_of(slug).get("WEBHOOKS", slug) == path), "")


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """A carrier as GET /carriers shows it. `capabilities` by the names there."""

    slug: str
    display_name: str
    status: str
    is_default: bool
    capabilities: Mapping[str, bool]


def carrier_rows() -> list[CarrierRow]:
    """All that there is an adapter for, configured or not."""
    return [
        CarrierRow(
            slug=slug,
            display_name=row["NAME"],
            status="available" if row["IS_CONFIGURED"] else "not_configured",
            is_default=row["IS_CONFIGURED"] and slug == default_carrier(),
            capabilities=_capabilities(import_string(row["BACKEND"])),
        )
        for slug, row in settings.CARRIERS.items()
    ]


def _capabilities(carrier: type) -> dict[str, bool]:
    return {
        **{name: issubclass(carrier, kind) for name, kind in CAPABILITIES.items()},
        "voicemail_detection": issubclass(carrier, CallControl) and carrier.detects_voicemail,
        "call_screening": issubclass(carrier, CallControl) and carrier.detects_screening,
    }
