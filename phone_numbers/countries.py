"""Countries as developers see them: which numbers are for sale, and whether they can buy them."""

from dataclasses import dataclass

from accounts.models import Developer
from bubblyphone.core.errors import InvalidRequest, NotFound
from phone_numbers.carriers.base import Requirement
from phone_numbers.carriers.registry import default_carrier
from phone_numbers.models import NumberPrice, NumberType, Verification
from phone_numbers.verification.requirements import Kind, all_requirements, is_sold, requirements_of

NOT_REQUIRED = "not_required"
UNVERIFIED = "unverified"
# Names of the countries that are usually for sale; others are shown by their code.
COUNTRY_NAMES = {
    "AT": "Austria", "AU": "Australia", "BE": "Belgium", "BR": "Brazil", "CA": "Canada", "CH": "Switzerland",
    "CZ": "Czechia", "DE": "Germany", "DK": "Denmark", "ES": "Spain", "FI": "Finland", "FR": "France",
    "GB": "United Kingdom", "IE": "Ireland", "IL": "Israel", "IN": "India", "IT": "Italy", "JP": "Japan",
    "MX": "Mexico", "NL": "Netherlands", "NO": "Norway", "NZ": "New Zealand", "PL": "Poland", "PT": "Portugal",
    "SE": "Sweden", "SG": "Singapore", "US": "United States", "ZA": "South Africa",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NumberEligibility:
    """Whether a developer can buy a type of number. `status` is NOT_REQUIRED, UNVERIFIED or a Verification.Status."""

    country_code: str
    number_type: str
    status: str
    verification: Verification | None  # the newest one; None if nothing was submitted

    @property
    def country_name(self) -> str:
        return country_name(self.country_code)

    @property
    def may_buy(self) -> bool:
        return self.status in {NOT_REQUIRED, Verification.Status.APPROVED}


def country_name(code: str) -> str:
    return COUNTRY_NAMES.get(code, code)


def list_eligibilities(developer: Developer) -> list[NumberEligibility]:
    """Every type of number for sale, the United States first, then by name. Raises UpstreamFailed."""
    kinds: list[Kind] = list(NumberPrice.objects.values_list("country_code", "number_type"))
    order = [kind.value for kind in NumberType]
    kinds.sort(key=lambda kind: (kind[0] != "US", country_name(kind[0]), order.index(kind[1])))
    kinds = [kind for kind in kinds if is_sold(kind[0], default_carrier())]
    wanted = all_requirements(kinds, default_carrier())
    newest = {
        (each.country_code, each.number_type): each
        for each in Verification.objects.filter(developer=developer, carrier=default_carrier()).order_by("pk")
    }
    return [_eligibility(kind, wanted[kind], newest.get(kind)) for kind in kinds]


def get_eligibility(*, developer: Developer, country: str, number_type: str, carrier: str = "") -> NumberEligibility:
    """At the default carrier, or the one that is named.

    Raises NotFound for a country without numbers here, InvalidRequest for a type it does not have, UpstreamFailed.
    """
    carrier = carrier or default_carrier()
    wanted = get_requirements(country=country, number_type=number_type, carrier=carrier)
    handed_in = Verification.objects.filter(
        developer=developer, carrier=carrier, country_code=country, number_type=number_type
    )
    return _eligibility((country, number_type), wanted, handed_in.order_by("-pk").first())


def get_requirements(*, country: str, number_type: str, carrier: str = "") -> list[Requirement]:
    """Raises NotFound for a country without numbers here, InvalidRequest for a type it does not have, UpstreamFailed."""
    types = set(NumberPrice.objects.filter(country_code=country).values_list("number_type", flat=True))
    if not types:
        raise NotFound("Not found.")
    if number_type not in types:
        raise InvalidRequest({"number_type": [f"No {number_type} numbers are for sale in {country}."]})
    carrier = carrier or default_carrier()
    if not is_sold(country, carrier):
        raise InvalidRequest(
            {"carrier": [f"Numbers in {country} require documents, which {carrier} does not accept here."]}
        )
    return requirements_of(country=country, number_type=number_type, carrier=carrier)


def _eligibility(kind: Kind, wanted: list[Requirement], newest: Verification | None) -> NumberEligibility:
    is_open = newest is None or (newest.status == Verification.Status.APPROVED and newest.is_expired)
    status = NOT_REQUIRED if not wanted else UNVERIFIED if newest is None or is_open else newest.status
    return NumberEligibility(*kind, status=status, verification=newest)
