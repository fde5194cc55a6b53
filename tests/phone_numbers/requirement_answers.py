"""Documents for tests: small files of each type, the IDs of the exchange's requirements, and a multipart form as sent by curl."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Developer
from phone_numbers.models import Verification
from phone_numbers.verification.requirements import requirements_of
from phone_numbers.verification.submissions import SubmittedAnswer, submit

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)


def upload(content: bytes = PDF, name: str = "utility-bill.pdf", content_type: str = "application/pdf") -> Any:
    return SimpleUploadedFile(name, content, content_type)


def ids_of(country: str, number_type: str = "local") -> dict[str, str]:
    """Name of each requirement → its ID."""
    return {
        each["name"]: each["id"] for each in requirements_of(country=country, number_type=number_type, carrier="telnyx")
    }


def submit_documents(developer: Developer, country: str = "GB", number_type: str = "local") -> Verification:
    """Submit every document and address, but no texts."""
    answers = []
    for each in requirements_of(country=country, number_type=number_type, carrier="telnyx"):
        if each["type"] == "document":
            answers.append(SubmittedAnswer(each["id"], upload()))
        elif each["type"] == "address":
            answers.append(SubmittedAnswer(each["id"], value="Unter den Linden 1, Berlin, 10117"))
    return submit(developer=developer, country=country, number_type=number_type, answers=answers)
