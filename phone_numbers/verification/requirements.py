"""A carrier's requirements for number holders, fetched at most once a day, and stored for when the carrier does not respond."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import cast

from django.utils import timezone

from bubblyphone.core.errors import UpstreamFailed
from bubblyphone.core.network.waiting import before_waiting
from phone_numbers.carriers.base import CarrierError, Requirement
from phone_numbers.carriers.capabilities import Compliance
from phone_numbers.carriers.registry import able, offers
from phone_numbers.models import CountryRequirements

# Numbers in these countries require no proof of identity.
FREE_COUNTRIES = {"US"}
FRESH = timedelta(days=1)
# After a failure, the stored requirements are used for this long before the carrier is asked again.
RETRY_AFTER = timedelta(minutes=5)
REQUESTS_AT_ONCE = 8
Kind = tuple[str, str]  # country code, number type


def is_sold(country: str, carrier: str) -> bool:
    """Whether a carrier's numbers in a country are for sale here: some require documents, which not every carrier accepts."""
    return country in FREE_COUNTRIES or offers(carrier, Compliance)


def requirements_of(*, country: str, number_type: str, carrier: str) -> list[Requirement]:
    """The requirements of a type of number; empty if anyone may hold one. Raises UpstreamFailed."""
    return all_requirements([(country, number_type)], carrier)[country, number_type]


def all_requirements(kinds: Collection[Kind], carrier: str) -> dict[Kind, list[Requirement]]:
    """The same for several types.

    Raises UpstreamFailed if the carrier's requirements are unknown and cannot be fetched now. Not inside a transaction.
    """
    known = {(row.country_code, row.number_type): row for row in CountryRequirements.objects.filter(carrier=carrier)}
    oldest = timezone.now() - FRESH
    unknown = [
        kind
        for kind in kinds
        if kind[0] not in FREE_COUNTRIES and (kind not in known or known[kind].fetched_at < oldest)
    ]
    if unknown:
        known |= _fetch(unknown, known, carrier)
    return {kind: _in_order(known[kind].items) if kind[0] not in FREE_COUNTRIES else [] for kind in kinds}


def _fetch(kinds: list[Kind], known: dict[Kind, CountryRequirements], slug: str) -> dict[Kind, CountryRequirements]:
    now = timezone.now()
    compliance = able(slug, Compliance)

    def ask(kind: Kind) -> CountryRequirements:
        country, number_type = kind
        try:
            answer = compliance.requirements(country=country, number_type=number_type)
        except CarrierError as error:
            if kind not in known:
                raise UpstreamFailed(
                    f"Loading the requirements for {country} from the carrier failed: {error}"
                ) from error
            items, at = known[kind].items, now - FRESH + RETRY_AFTER
        else:
            items, at = answer, now
        return CountryRequirements(
            carrier=slug, country_code=country, number_type=number_type, items=items, fetched_at=at
        )

    before_waiting()
    # The threads are only for network requests; the rows are written here, at once.
    with ThreadPoolExecutor(min(REQUESTS_AT_ONCE, len(kinds))) as threads:
        rows = list(threads.map(ask, kinds))
    CountryRequirements.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["carrier", "country_code", "number_type"],
        update_fields=["items", "fetched_at"],
    )
    return {(row.country_code, row.number_type): row for row in rows}


def _in_order(items: list[Requirement]) -> list[Requirement]:
    """PostgreSQL does not keep the order of JSON keys; responses always have the same order."""
    return [cast(Requirement, {name: item[name] for name in Requirement.__annotations__}) for item in items]  # type: ignore[literal-required]
