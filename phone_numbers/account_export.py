"""Numbers, carrier accounts and documents in the export of an account's data (accounts.extension_points)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from accounts.extension_points import ExportFile, ExportTable
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages
from phone_numbers.api.responses import CARRIER_ACCOUNT, NUMBER
from phone_numbers.models import CarrierAccount, PhoneNumber, Verification, VerificationDocument


def _numbers(developer: Developer) -> Iterator[dict[str, Any]]:
    owned = PhoneNumber.objects.filter(developer=developer).select_related("agent", "agent_version", "model_key")
    for number in in_pages(owned):
        yield {**NUMBER.of(number), "released_at": format_time(number.released_at)}


def _carrier_accounts(developer: Developer) -> Iterator[dict[str, Any]]:
    for account in in_pages(CarrierAccount.objects.filter(developer=developer)):
        yield CARRIER_ACCOUNT.of(account)


def _verifications(developer: Developer) -> Iterator[dict[str, Any]]:
    for verification in in_pages(Verification.objects.filter(developer=developer).prefetch_related("documents")):
        yield {
            "id": verification.public_id,
            "country_code": verification.country_code,
            "number_type": verification.number_type,
            "status": verification.status,
            "rejection_reason": verification.rejection_reason or None,
            "submitted_at": format_time(verification.submitted_at),
            "reviewed_at": format_time(verification.reviewed_at),
            "expires_on": verification.expires_on,
            "documents": [
                {"name": one.name, "text": one.value or None, "file": _path(one) if one.file else None}
                for one in verification.documents.all()
            ],
        }


def files(developer: Developer) -> Iterator[ExportFile]:
    """Documents, by their verification."""
    for document in in_pages(VerificationDocument.objects.filter(verification__developer=developer).exclude(file="")):
        yield ExportFile(_path(document), partial(document.file.storage.open, document.file.name))


def _path(document: VerificationDocument) -> str:
    return f"documents/{document.file.name}"


TABLES = (
    ExportTable("phone_numbers", _numbers),
    ExportTable("carrier_accounts", _carrier_accounts),
    ExportTable("verifications", _verifications),
)
