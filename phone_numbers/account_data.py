"""Numbers and documents: their retention, and their part of an export (accounts.extension_points)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Q

from accounts.extension_points import ExportFile, ExportTable, RetentionKind
from accounts.models import Developer
from bubblyphone.core.api import format_time
from bubblyphone.core.errors import StorageUnavailable
from bubblyphone.core.zip_stream import in_pages
from phone_numbers.api.shapes import CARRIER_ACCOUNT, NUMBER
from phone_numbers.models import CarrierAccount, PhoneNumber, Verification, VerificationDocument

BATCH = 100


def delete_documents(developer_id: int, before: datetime) -> Iterator[int]:
    """Delete the content of documents whose verification was rejected or expired before the given time.

    Raises StorageUnavailable at the end if some could not be deleted.
    """
    rejected = Q(verification__status=Verification.Status.REJECTED, verification__reviewed_at__lt=before)
    expired = Q(verification__status=Verification.Status.APPROVED, verification__expires_on__lt=before.date())
    documents = VerificationDocument.objects.filter(rejected | expired, verification__developer_id=developer_id)
    last, failed = 0, None
    while batch := list(documents.exclude(value="", file="").filter(pk__gt=last).order_by("pk")[:BATCH]):
        for document in batch:
            try:
                forget(document)
            except StorageUnavailable as error:
                failed = error
        last = batch[-1].pk
        yield len(batch)
    if failed is not None:
        raise failed


def forget(document: VerificationDocument) -> None:
    """Delete the content; the record of the submission stays. Raises StorageUnavailable."""
    document.file.delete(save=False)
    document.value = document.filename = document.content_type = ""
    document.save()


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


KIND = RetentionKind(
    "documents",
    "Documents",
    "Proof of identity and address you submitted for a country, counted from the day they were rejected or expired. "
    "Documents in use are kept.",
    delete_documents,
)
TABLES = (
    ExportTable("phone_numbers", _numbers),
    ExportTable("carrier_accounts", _carrier_accounts),
    ExportTable("verifications", _verifications),
)
