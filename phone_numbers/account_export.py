"""Numbers, carrier accounts and documents in the export of an account's data (accounts.extension_points)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db.models import QuerySet

from accounts.extension_points import ExportFile, exported, owned
from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages
from phone_numbers.api.responses import CARRIER_ACCOUNT, NUMBER
from phone_numbers.models import CarrierAccount, PhoneNumber, Verification, VerificationDocument


def _numbers(developer: Developer) -> QuerySet[PhoneNumber]:
    return PhoneNumber.objects.filter(developer=developer).select_related("agent", "agent_version", "model_key")


def _number(number: PhoneNumber) -> dict[str, Any]:
    return {**NUMBER.of(number), "released_at": format_time(number.released_at)}


def _verifications(developer: Developer) -> QuerySet[Verification]:
    return Verification.objects.filter(developer=developer).prefetch_related("documents")


def _verification(verification: Verification) -> dict[str, Any]:
    return {
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
    exported("phone_numbers", _numbers, _number),
    exported("carrier_accounts", owned(CarrierAccount), CARRIER_ACCOUNT.of),
    exported("verifications", _verifications, _verification),
)
