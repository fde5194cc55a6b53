"""Where recording files are stored: drafts in progress, and finished recordings."""

from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from bubblyphone.core.backup.files import FileSource
from calls.models import Recording


def storage() -> Storage:
    """Where recordings are kept (settings.STORAGES)."""
    return storages["recordings"]


def draft_path(call_id: int) -> Path:
    """The file of a recording in progress, on this platform's disk, which all its processes share."""
    return _drafts() / f"{call_id}.wav"


def _drafts() -> Path:
    return Path(settings.DATA_DIR) / "recordings-in-progress"


def backed_up() -> tuple[FileSource, FileSource]:
    """Recordings, including those in progress: they can be played at any time."""
    kept = Recording.objects.filter(deleted_at=None).exclude(name="").order_by("pk").values_list("name", flat=True)
    in_progress = Recording.objects.filter(status=Recording.Status.PENDING).order_by("pk")
    return (
        FileSource("recordings", storage, lambda: kept.iterator()),
        FileSource(
            "recordings-in-progress",
            lambda: FileSystemStorage(_drafts(), file_permissions_mode=0o600, directory_permissions_mode=0o700),
            lambda: (draft_path(call_id).name for call_id in in_progress.values_list("call_id", flat=True).iterator()),
        ),
    )


def open_recording(call_id: int) -> "File[bytes]":
    """The stored recording of a call. Raises FileNotFoundError and storage errors."""
    recording = Recording.objects.filter(call_id=call_id, deleted_at=None).exclude(name="").first()
    if recording is None:
        raise FileNotFoundError(f"no recording of call {call_id}")
    return storage().open(recording.name)
