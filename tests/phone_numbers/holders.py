"""Number owners with approved documents."""

from accounts.models import Developer
from phone_numbers.models import PhoneNumber, Verification
from phone_numbers.services import buy_number
from phone_numbers.verification.submissions import approve
from tests.phone_numbers.requirement_answers import submit_documents

LONDON = "+442079460000"


def approved(developer: Developer, staff: Developer, country: str = "GB", number_type: str = "local") -> Verification:
    verification = submit_documents(developer, country, number_type)
    approve(verification_id=verification.pk, staff=staff)
    verification.refresh_from_db()
    return verification


def buy(developer: Developer, number: str = LONDON, country: str = "GB", number_type: str = "local") -> PhoneNumber:
    return buy_number(developer=developer, phone_number=number, country_code=country, number_type=number_type)
