"""How long accounts keep documents that are of no more use (accounts.extension_points.RETENTION_KINDS)."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from accounts.extension_points import RetentionKind
from bubblyphone.core.errors import StorageUnavailable
from phone_numbers.models import Verification, VerificationDocument

BATCH = 100


def delete_documents(developer_id: int, before: datetime, since: datetime | None = None) -> Iterator[int]:
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


KIND = RetentionKind(
    "documents",
    "Documents",
    "Proof of identity and address you submitted for a country, counted from the day they were rejected or expired. "
    "Documents in use are kept.",
    delete_documents,
)
