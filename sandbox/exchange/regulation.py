"""Which documents a country requires from the holder of a number. The wording follows real carriers. IDs never change."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAMESPACE = uuid.UUID("6f0d6a52-5b1c-4a44-9d0c-6a2f7e0a1b11")
CREATED_AT = "2025-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement. `kind` is textual, document or address."""

    name: str
    kind: str
    description: str
    example: str
    time_limit: str = ""
    locality_limit: str = ""

    @property
    def id(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, self.name))

    def describe(self) -> dict[str, Any]:
        """The `requirement_types` entry of the API."""
        criteria: dict[str, Any] = {}
        if self.time_limit:
            criteria["time_limit"] = self.time_limit
        if self.locality_limit:
            criteria["locality_limit"] = self.locality_limit
        if self.kind == "textual":
            criteria |= {"min_length": 3, "max_length": 500}
        return {
            "id": self.id,
            "record_type": "requirement_type",
            "name": self.name,
            "type": self.kind,
            "description": self.description,
            "example": self.example,
            "acceptance_criteria": criteria,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
        }


CONTACT = Requirement(
    "Contact Info",
    "textual",
    "Provide the name, business name, and contact phone numbers",
    "Name, business name, and contact phone numbers",
)
IDENTITY = Requirement(
    "Proof of Identity",
    "document",
    "Copy of a valid passport or identity card of the end user",
    "Passport or identity card",
)
COMPANY = Requirement(
    "Business Registration",
    "document",
    "Extract of the commercial register or certificate of incorporation",
    "Certificate of incorporation",
    "Less than 6 months old",
)
ADDRESS_LOCAL = Requirement(
    "Proof of Address (Local)",
    "document",
    "Proof of residence such as utility bill",
    "Utility bill dated within 3 months",
    "Less than 3 months old",
    "Same area code as the number",
)
ADDRESS_NATIONAL = Requirement(
    "Proof of Address (National)",
    "document",
    "Proof of an address in the country, such as a utility bill or a lease",
    "Utility bill dated within 3 months",
    "Less than 3 months old",
    "Same country as the number",
)
ADDRESS = Requirement(
    "End User Address", "address", "The address of the end user in the country of the number", "1 High Street, London"
)
USE_CASE = Requirement(
    "Use Case", "textual", "Describe what the number is used for and who is called", "Reception of a dental practice"
)

REQUIREMENTS: Mapping[tuple[str, str], tuple[Requirement, ...]] = {
    ("GB", "local"): (CONTACT, ADDRESS_LOCAL),
    ("GB", "mobile"): (CONTACT, IDENTITY, ADDRESS_NATIONAL),
    ("GB", "national"): (CONTACT,),
    ("GB", "toll_free"): (CONTACT, USE_CASE),
    ("DE", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL, ADDRESS),
    ("DE", "mobile"): (CONTACT, IDENTITY, ADDRESS_NATIONAL, COMPANY),
    ("FR", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL),
    ("FR", "mobile"): (CONTACT, IDENTITY, COMPANY, ADDRESS_NATIONAL),
    ("AU", "local"): (CONTACT, ADDRESS_NATIONAL),
    ("AU", "mobile"): (CONTACT, IDENTITY, ADDRESS_NATIONAL),
    ("AU", "toll_free"): (CONTACT, COMPANY),
    ("IE", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL),
    ("SE", "local"): (CONTACT, IDENTITY, ADDRESS_NATIONAL),
    ("SE", "mobile"): (CONTACT, IDENTITY, ADDRESS_NATIONAL, USE_CASE),
    ("ES", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL),
    ("IT", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL, COMPANY),
    ("NL", "local"): (CONTACT, ADDRESS_LOCAL),
    ("AT", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL),
    ("BE", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL, USE_CASE),
    ("PL", "local"): (CONTACT, COMPANY, ADDRESS_NATIONAL),
    ("CH", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL, ADDRESS),
    ("DK", "local"): (CONTACT, IDENTITY, ADDRESS_NATIONAL),
    ("NO", "local"): (CONTACT, IDENTITY, ADDRESS_NATIONAL),
    ("PT", "local"): (CONTACT, IDENTITY, ADDRESS_LOCAL),
}


def requirements_of(country_code: str, phone_number_type: str) -> tuple[Requirement, ...]:
    """The requirements for a number. There are none for the United States, Canada and unknown countries."""
    return REQUIREMENTS.get((country_code, phone_number_type), ())


def describe(country_code: str, phone_number_type: str) -> dict[str, Any]:
    """The `requirement` object of the API."""
    return {
        "record_type": "requirement",
        "id": str(uuid.uuid5(_NAMESPACE, f"{country_code} {phone_number_type} ordering")),
        "country_code": country_code,
        "phone_number_type": phone_number_type,
        "action": "ordering",
        "locality": "",
        "requirement_types": [each.describe() for each in requirements_of(country_code, phone_number_type)],
        "version": 1,
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT,
    }
