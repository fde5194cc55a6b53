"""Files submitted by developers: accepted types, detected from content alone, and their storage."""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.files.base import File
from django.core.files.storage import Storage, storages

from bubblyphone.core.backup.files import FileSource

if TYPE_CHECKING:
    from phone_numbers.models import VerificationDocument

MAX_FILE_BYTES = 10 * 1024 * 1024
# Total size of a submission, including the form.
MAX_SUBMISSION_BYTES = 64 * 1024 * 1024
# How files of these types begin: ISO 32000-1 §7.5.2, W3C PNG §5.2, ITU-T T.81 annex B (SOI and the next marker).
_SIGNATURES = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


def detect_type(file: File[bytes]) -> str | None:
    """The media type of a PDF, PNG or JPEG, detected from its first bytes regardless of its name; None for anything else."""
    file.seek(0)
    beginning = file.read(16)
    file.seek(0)
    return next((kind for signature, kind in _SIGNATURES if beginning.startswith(signature)), None)


def file_problem(file: File[bytes]) -> str | None:
    """The problem with an upload, as a sentence; None if there is none."""
    if file.size > MAX_FILE_BYTES:
        return "The file is too large. The maximum is 10 MiB."
    if detect_type(file) is None:
        return "Upload a PDF, PNG, or JPEG file."
    return None


def document_storage() -> Storage:
    """Not publicly served."""
    return storages["documents"]


def backed_up() -> FileSource:
    """For backups: the file of every document."""

    def names() -> Iterable[str]:
        documents = apps.get_model("numbers", "VerificationDocument")._default_manager.exclude(file="").order_by("pk")
        return iter(documents.values_list("file", flat=True).iterator())

    return FileSource("documents", document_storage, names)


def document_path(document: "VerificationDocument", filename: str) -> str:
    """A generated name: the developer's file name is never used on disk."""
    extension = _EXTENSIONS[document.content_type]
    return f"{document.verification.public_id}/{uuid.uuid4().hex}.{extension}"
